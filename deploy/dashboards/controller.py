"""The controller itself: its requests, the bots' reports, what waits, and the cluster's API."""

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

# A process is told by the instance that is a controller.
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
            "Controllers by version. One at a time knows which places are taken.",
            COUNT,
            "sum by (version) (podline_build_info{SCOPE})",
        ),
        figure(
            "Requests that failed",
            "Answers of 500 and above, of all.",
            SHARE,
            '(sum(increase(podline_requests_total{SCOPE,code=~"5.."}[$__range])) or vector(0))'
            " / sum(increase(podline_requests_total{SCOPE}[$__range]))",
            (0.001, 0.01),
            decimals=2,
        ),
        figure(
            "Reports refused",
            "Batches of bots' reports that changed nothing, of all: bots of ended launches, or strangers.",
            SHARE,
            share(
                'podline_report_batches_total{SCOPE,outcome="refused"}', "podline_report_batches_total{SCOPE}"
            ),
            (0.001, 0.01),
            decimals=2,
        ),
        figure(
            "Memory",
            "What the controller's process holds; docs/operations.md says what a session takes.",
            BYTES,
            f"max(process_resident_memory_bytes{{SCOPE}}{_OURS})",
        ),
        figure(
            "Processor",
            "Cores that the controller's process takes, over the time shown.",
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
            "Answers by their status. 429 is a full house, 503 a start that was not possible.",
            PER_SECOND,
            [per_second("podline_requests_total{SCOPE}", "{{code}}", "code")],
            stacked=True,
        ),
        lines(
            "Time to answer",
            "What one request in twenty takes at least. Offers and the bots' inbox are held on purpose.",
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
            "What waits",
            "Launches under way, callers' offers held for bots, and messages that bots have not answered.",
            COUNT,
            [Query("sum by (queue) (podline_backlog{SCOPE})", "{{queue}}")],
        ),
        lines(
            "Memory",
            "What the controller's process holds. Growing while sessions don't, it is a leak of ours.",
            BYTES,
            [Query(f"process_resident_memory_bytes{{SCOPE}}{_OURS}", "{{instance}}")],
        ),
        lines(
            "Processor",
            "Cores that the controller's process takes. Near one, it is the bottleneck.",
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
            "By verb and status; `unreachable` had no answer.",
            PER_SECOND,
            [per_second("podline_kubernetes_requests_total{SCOPE}", "{{verb}} {{code}}", "verb, code")],
            stacked=True,
        ),
        lines(
            "Time of the API server",
            "What one request in twenty takes at least, by verb.",
            SECONDS,
            quantiles("podline_kubernetes_request_duration_seconds_bucket{SCOPE}", "verb", (0.95,)),
            (1, 5),
        ),
        lines(
            "Age of watches",
            "Since each watch gave a sign of life. It is renewed every 45 s: over 60 s the controller is "
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
            "Whole lists",
            "Once at the start and every 10 minutes; each one more is a watch that broke.",
            PER_MINUTE,
            [per_minute("podline_kubernetes_relists_total{SCOPE}", "{{resource}}", "resource")],
        ),
        lines(
            "Records to be written",
            "Records of sessions that are not on their Jobs yet. It falls back to nothing within seconds.",
            COUNT,
            [Query("sum(podline_kubernetes_writes_pending{SCOPE})", "records")],
            (10, 100),
        ),
    ],
)

CONTROLLER: Final = board(
    "controller",
    "Controller",
    "The controller itself: its requests, the bots' reports, what waits, and the cluster's API.",
    [NOW, REQUESTS, KUBERNETES],
)
