"""The controllers themselves: requests, the bots' reports, queues, who leads, and the cluster's API."""

from __future__ import annotations

from typing import Final

from deploy.dashboards.parts import (
    BYTES,
    COUNT,
    PER_MINUTE,
    PER_SECOND,
    SECONDS,
    SHARE,
    Query,
    Row,
    board,
    figure,
    grown,
    lines,
    of_leader,
    per_minute,
    per_second,
    quantile,
    quantiles,
    share,
)

# Keeps only processes whose instance is a controller.
_OURS: Final = " and on (job, instance) podline_ready{SCOPE}"

NOW: Final = Row(
    "Now, and over the time shown",
    [
        figure(
            "Ready",
            "1 while calls can start: a controller leads and is ready. /readyz says why they can't.",
            COUNT,
            # What standbys say counts for nothing, and without a leader the answer is 0.
            "min(max by (namespace) (podline_ready{SCOPE}"
            " unless on (namespace, job, instance) podline_leader{SCOPE} == 0"
            " or 0 * podline_ready{SCOPE}))",
            (1,),
            at_least=True,
        ),
        figure(
            "Controllers",
            "Controllers by version. Two versions: an upgrade is going on.",
            COUNT,
            "sum by (version) (podline_build_info{SCOPE})",
        ),
        figure(
            "Requests that failed",
            "Answers of 500 and above, as a share of all.",
            SHARE,
            '(sum(increase(podline_requests_total{SCOPE,code=~"5.."}[$__range])) or vector(0))'
            " / sum(increase(podline_requests_total{SCOPE}[$__range]))",
            (0.001, 0.01),
            decimals=2,
        ),
        figure(
            "Reports refused",
            "Share of bots' report batches that were refused: malformed, of ended launches, from strangers.",
            SHARE,
            share(
                'podline_report_batches_total{SCOPE,outcome="refused"}', "podline_report_batches_total{SCOPE}"
            ),
            (0.001, 0.01),
            decimals=2,
        ),
        figure(
            "Memory",
            "Resident memory of the largest controller; docs/deploying.md says how much a session takes.",
            BYTES,
            f"max(process_resident_memory_bytes{{SCOPE}}{_OURS})",
        ),
        figure(
            "Processor",
            "Cores that the busiest controller uses, over the time shown.",
            COUNT,
            f"max(rate(process_cpu_seconds_total{{SCOPE}}[$__range]){_OURS})",
            (0.5, 0.9),
            decimals=2,
        ),
    ],
)

REQUESTS: Final = Row(
    "Requests and reports",
    [
        lines(
            "Requests by route",
            "Requests answered, by the route's template.",
            PER_SECOND,
            [per_second("podline_requests_total{SCOPE}", "{{route}}", "route")],
            stacked=True,
        ),
        lines(
            "Requests by status",
            "Answers by status. 429: a limit is reached. 503: a start was impossible.",
            PER_SECOND,
            [per_second("podline_requests_total{SCOPE}", "{{code}}", "code")],
            stacked=True,
        ),
        lines(
            "Time to answer",
            "The 95th percentile by route. Offers and the bots' inbox are held on purpose.",
            SECONDS,
            quantiles("podline_request_duration_seconds_bucket{SCOPE}", "route", (0.95,)),
        ),
        lines(
            "Batches of reports",
            "Added, sent again (which adds nothing), or refused.",
            PER_SECOND,
            [per_second("podline_report_batches_total{SCOPE}", "{{outcome}}", "outcome")],
            stacked=True,
        ),
        lines(
            "Queues",
            "Launches in progress, callers' offers held for bots, and messages that bots have not answered.",
            COUNT,
            [Query(of_leader("podline_backlog{SCOPE}", "queue"), "{{queue}}")],
        ),
    ],
)

REPLICAS: Final = Row(
    "Replicas",
    [
        figure(
            "Leaders",
            "Exactly one controller leads in each namespace. Zero for longer than 5 s: no call can start.",
            COUNT,
            "min(sum by (namespace) (podline_leader{SCOPE}))",
            (1,),
            at_least=True,
        ),
        figure(
            "Ready controllers",
            "Those that serve callers and bots, by themselves or by passing requests on. With one, nobody "
            "stands by.",
            COUNT,
            "min(sum by (namespace) (podline_ready{SCOPE}))",
            (1, 2),
            at_least=True,
        ),
        figure(
            "Take-overs",
            "Times another controller began to lead, over the time shown. An upgrade is one or two.",
            COUNT,
            grown("podline_takeovers_total{SCOPE}"),
        ),
        figure(
            "Take-over, median",
            "From acquiring the Lease until the first request can be served.",
            SECONDS,
            quantile(0.5, "podline_takeover_seconds_bucket{SCOPE}"),
            (1, 5),
            decimals=2,
        ),
        figure(
            "Take-over, slowest in 100",
            "The 99th percentile of the same. After a crash, up to 4 s pass before the Lease is acquired.",
            SECONDS,
            quantile(0.99, "podline_takeover_seconds_bucket{SCOPE}"),
            (1, 5),
            decimals=2,
        ),
        figure(
            "Proxied, and failed",
            "Requests whose leader could not be reached, or was lost during the answer, as a share of those "
            "that standbys passed on.",
            SHARE,
            share(
                'podline_proxied_requests_total{SCOPE,outcome=~"unreachable|broken"}',
                "podline_proxied_requests_total{SCOPE}",
            ),
            (0.01, 0.05),
            decimals=2,
        ),
        lines(
            "Who leads",
            "1 for the controller that leads. For one scrape after a hand-over it may be two, or none.",
            COUNT,
            [Query("max by (instance) (podline_leader{SCOPE})", "{{instance}}")],
        ),
        lines(
            "Take-overs by cause",
            "Handover: the leader was told to end. Expiry: it was lost, or could not renew the Lease. Start: "
            "there was none.",
            COUNT,
            [
                Query(
                    "sum by (cause) (increase(podline_takeovers_total{SCOPE}[$__rate_interval]))", "{{cause}}"
                )
            ],
            stacked=True,
        ),
        lines(
            "Age of the Lease",
            "Time since its last renewal. It is renewed every second; at 3 s the leader stops writing, and "
            "at 4 s another controller takes over.",
            SECONDS,
            [Query("max by (instance) (podline_lease_renewal_age_seconds{SCOPE})", "{{instance}}")],
            (2, 3),
        ),
        lines(
            "Proxied requests",
            "Requests that standbys passed on. Held: until somebody led. Unreachable: the leader was not "
            "reached. Broken: it was lost during the answer, as streams are at each hand-over.",
            PER_SECOND,
            [per_second("podline_proxied_requests_total{SCOPE}", "{{outcome}}", "outcome")],
            stacked=True,
        ),
        lines(
            "Leader reached",
            "1 while a controller leads or reaches the leader. At 0 it is not ready, and passes nothing on.",
            COUNT,
            [Query("max by (instance) (podline_leader_reachable{SCOPE})", "{{instance}}")],
        ),
        lines(
            "Age of watches",
            "Time since each controller's watches were last active. They are renewed every 45 s: over 60 s "
            "it is blind.",
            SECONDS,
            [
                Query(
                    "max by (resource, instance) (podline_kubernetes_watch_age_seconds{SCOPE})",
                    "{{resource}} {{instance}}",
                )
            ],
            (50, 60),
        ),
        lines(
            "Memory",
            "Resident memory of each controller; a standby needs no more than the leader. If it grows while "
            "sessions don't, the controller leaks.",
            BYTES,
            [Query(f"process_resident_memory_bytes{{SCOPE}}{_OURS}", "{{instance}}")],
        ),
        lines(
            "Processor",
            "Cores that each controller uses. Near one, it is the bottleneck.",
            COUNT,
            [
                Query(
                    f"rate(process_cpu_seconds_total{{SCOPE}}[$__rate_interval]){_OURS}",
                    "{{instance}}",
                )
            ],
            (0.5, 0.9),
        ),
    ],
)

KUBERNETES: Final = Row(
    "Kubernetes",
    [
        lines(
            "Requests to the API server",
            "Of all controllers, by verb and status; `unreachable` got no answer.",
            PER_SECOND,
            [per_second("podline_kubernetes_requests_total{SCOPE}", "{{verb}} {{code}}", "verb, code")],
            stacked=True,
        ),
        lines(
            "Response time of the API server",
            "The 95th percentile by verb.",
            SECONDS,
            quantiles("podline_kubernetes_request_duration_seconds_bucket{SCOPE}", "verb", (0.95,)),
            (1, 5),
        ),
        lines(
            "Full lists",
            "Of each controller once at startup and every 10 minutes; each additional one is a broken watch.",
            PER_MINUTE,
            [
                per_minute(
                    "podline_kubernetes_relists_total{SCOPE}",
                    "{{resource}} {{instance}}",
                    "resource, instance",
                )
            ],
        ),
        lines(
            "Unwritten records",
            "Session records not yet written to their Jobs. Normally back to zero within seconds.",
            COUNT,
            [Query(of_leader("podline_kubernetes_writes_pending{SCOPE}"), "records")],
            (10, 100),
        ),
    ],
)

CONTROLLER: Final = board(
    "controller",
    "Controller",
    "The controllers themselves: requests, the bots' reports, queues, who leads, and the cluster's API.",
    [NOW, REQUESTS, REPLICAS, KUBERNETES],
)
