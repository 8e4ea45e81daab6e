"""The controller itself: its requests, the bots' reports, queues, and the cluster's API."""

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
    lines,
    per_minute,
    per_second,
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
            "1 while calls can start; /readyz says why they can't.",
            COUNT,
            "min(podline_ready{SCOPE})",
            (1,),
            at_least=True,
        ),
        figure(
            "Controllers",
            "Controllers by version. Run only one: it counts the capacity in use.",
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
            "Resident memory of the controller; docs/deploying.md says how much a session takes.",
            BYTES,
            f"max(process_resident_memory_bytes{{SCOPE}}{_OURS})",
        ),
        figure(
            "Processor",
            "Cores that the controller uses, over the time shown.",
            COUNT,
            f"sum(rate(process_cpu_seconds_total{{SCOPE}}[$__range]){_OURS})",
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
            [Query("sum by (queue) (podline_backlog{SCOPE})", "{{queue}}")],
        ),
        lines(
            "Memory",
            "Resident memory of the controller. If it grows while sessions don't, the controller leaks.",
            BYTES,
            [Query(f"process_resident_memory_bytes{{SCOPE}}{_OURS}", "{{instance}}")],
        ),
        lines(
            "Processor",
            "Cores that the controller uses. Near one, it is the bottleneck.",
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
            "By verb and status; `unreachable` got no answer.",
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
            "Age of watches",
            "Time since each watch was last active. It is renewed every 45 s: over 60 s the controller is "
            "blind.",
            SECONDS,
            [
                Query(
                    "max by (resource) (podline_kubernetes_watch_age_seconds{SCOPE})",
                    "{{resource}}",
                )
            ],
            (50, 60),
        ),
        lines(
            "Full lists",
            "Once at startup and every 10 minutes; each additional one is a broken watch.",
            PER_MINUTE,
            [per_minute("podline_kubernetes_relists_total{SCOPE}", "{{resource}}", "resource")],
        ),
        lines(
            "Unwritten records",
            "Session records not yet written to their Jobs. Normally back to zero within seconds.",
            COUNT,
            [Query("sum(podline_kubernetes_writes_pending{SCOPE})", "records")],
            (10, 100),
        ),
    ],
)

CONTROLLER: Final = board(
    "controller",
    "Controller",
    "The controller itself: its requests, the bots' reports, queues, and the cluster's API.",
    [NOW, REQUESTS, KUBERNETES],
)
