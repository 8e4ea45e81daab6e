"""Are calls starting, how long does it take, why do they end, what is slow?"""

from __future__ import annotations

from typing import Final

from deploy.dashboards.parts import (
    COUNT,
    PER_MINUTE,
    SECONDS,
    SHARE,
    Query,
    Row,
    board,
    distribution,
    figure,
    grown,
    lines,
    of_leader,
    per_minute,
    per_second,
    quantile,
    quantiles,
)

_JUDGED: Final = (
    "sum(increase(podline_session_start_seconds_count{SCOPE}[$__range])"
    ' or increase(podline_session_furthest_stage_total{SCOPE,stage!~"joined|first_speech|unknown"}[$__range])'
    ' or increase(podline_session_furthest_stage_total{SCOPE,stage="joined",phase="failed"}[$__range]))'
)

NOW: Final = Row(
    "Now, and over the time shown",
    [
        figure(
            "Calls now",
            "Live sessions; those that are starting or stopping are not counted.",
            COUNT,
            of_leader('podline_sessions{SCOPE,phase="live"}'),
        ),
        figure(
            "Capacity in use",
            "Sessions whose end is not confirmed, as a share of the capacity. At 100 % callers are refused.",
            SHARE,
            f"{of_leader('podline_sessions_running{SCOPE}')}"
            f" / {of_leader('podline_sessions_capacity{SCOPE}')}",
            (0.75, 0.9),
        ),
        figure(
            "First speech within 10 s",
            "The first objective: 99 % of calls. A call whose bot never spoke counts as late, unless the bot "
            "was ready and the caller never joined.",
            SHARE,
            f'sum(increase(podline_session_start_seconds_bucket{{SCOPE,le="10.0"}}[$__range])) / {_JUDGED}',
            (0.995, 0.99),
            at_least=True,
            decimals=2,
        ),
        figure(
            "Ended without failure",
            "The second objective: 99.5 % of sessions.",
            SHARE,
            '1 - sum(increase(podline_session_ends_total{SCOPE,phase="failed"}[$__range]))'
            " / sum(increase(podline_session_ends_total{SCOPE}[$__range]))",
            (0.998, 0.995),
            at_least=True,
            decimals=2,
        ),
        figure(
            "Time to first speech",
            "The median, from the accepted request to the bot's first sound.",
            SECONDS,
            quantile(0.5, "podline_session_start_seconds_bucket{SCOPE}"),
            (5, 10),
        ),
        figure(
            "Starts refused",
            "Requests that got no session, over the time shown; by code below.",
            COUNT,
            grown("podline_session_refusals_total{SCOPE}"),
            (1, 10),
        ),
    ],
)

STARTING: Final = Row(
    "Are calls starting?",
    [
        lines(
            "Starts and refusals",
            "Sessions that got capacity, and requests that were refused, by code and limit.",
            PER_MINUTE,
            [
                per_minute("podline_session_starts_total{SCOPE}", "started"),
                per_minute("podline_session_refusals_total{SCOPE}", "{{code}} {{limit}}", "code, limit"),
            ],
        ),
        lines(
            "Capacity",
            "Sessions that use capacity, by phase, stacked.",
            COUNT,
            [
                Query(
                    of_leader('podline_sessions{SCOPE,phase=~"starting|live|stopping"}', "phase"),
                    "{{phase}}",
                ),
            ],
            stacked=True,
        ),
        lines(
            "Capacity in use",
            "As a share of the capacity. Over 90 % for 10 minutes raises an alert.",
            SHARE,
            [
                Query(
                    "max by (namespace) (podline_sessions_running{SCOPE})"
                    " / max by (namespace) (podline_sessions_capacity{SCOPE})",
                    "in use {{namespace}}",
                )
            ],
            (0.75, 0.9),
        ),
        lines(
            "How far sessions came",
            "Ended sessions by the last stage their start reached: all but first_speech were lost before "
            "the bot spoke, or the caller never joined (joined). Unknown: the bot was killed while no "
            "controller was running.",
            PER_MINUTE,
            [per_minute("podline_session_furthest_stage_total{SCOPE}", "{{stage}}", "stage")],
            stacked=True,
        ),
        lines(
            "Budget of late starts",
            "How fast calls miss first speech within 10 s, as a multiple of the allowed rate; 14.4 over an "
            "hour wakes somebody.",
            COUNT,
            [
                Query("namespace:podline_late_starts:ratio_rate1h{SCOPE} / 0.01", "1 h {{namespace}}"),
                Query("namespace:podline_late_starts:ratio_rate6h{SCOPE} / 0.01", "6 h {{namespace}}"),
            ],
            (1, 14.4),
        ),
        lines(
            "Budget of failures",
            "How fast sessions fail, as a multiple of the allowed rate; 14.4 over an hour wakes somebody.",
            COUNT,
            [
                Query("namespace:podline_failed_sessions:ratio_rate1h{SCOPE} / 0.005", "1 h {{namespace}}"),
                Query("namespace:podline_failed_sessions:ratio_rate6h{SCOPE} / 0.005", "6 h {{namespace}}"),
            ],
            (1, 14.4),
        ),
    ],
)

SLOW: Final = Row(
    "How long, and what is slow?",
    [
        lines(
            "Time to first speech",
            "From the accepted request to the bot's first sound. Each dot is one call, with its trace id.",
            SECONDS,
            quantiles("podline_session_start_seconds_bucket{SCOPE}"),
            (5, 10),
        ),
        lines(
            "Where the time goes",
            "The mean of each stage of a start, stacked: look at the thickest.",
            SECONDS,
            [
                per_second(
                    "podline_session_start_stage_seconds_sum{SCOPE}[$__rate_interval]))"
                    " / sum by (stage) (rate(podline_session_start_stage_seconds_count{SCOPE}",
                    "{{stage}}",
                    "stage",
                )
            ],
            stacked=True,
        ),
        lines(
            "Slowest starts by stage",
            "The 95th percentile of each stage: one start in twenty takes longer.",
            SECONDS,
            quantiles("podline_session_start_stage_seconds_bucket{SCOPE}", "stage", (0.95,)),
        ),
        distribution(
            "First speech, distribution",
            "Two bands mean two kinds of starts, for example with and without an image pull.",
            SECONDS,
            "podline_session_start_seconds_bucket{SCOPE}",
        ),
        lines(
            "Length of sessions",
            "From accepted to ended. Short failed sessions failed at their start.",
            SECONDS,
            quantiles("podline_session_duration_seconds_bucket{SCOPE}", "phase", (0.5, 0.9)),
        ),
    ],
)

ENDS: Final = Row(
    "Why do they end?",
    [
        lines(
            "As intended, by reason",
            "Sessions that ended as intended. Many no_caller: pages start sessions they don't use, or "
            "callers can't connect.",
            PER_MINUTE,
            [per_minute('podline_session_ends_total{SCOPE,phase="ended"}', "{{reason}}", "reason")],
            stacked=True,
            span=12,
        ),
        lines(
            "Failed, by reason",
            "docs/reference/reasons.md says what to do about each reason.",
            PER_MINUTE,
            [per_minute('podline_session_ends_total{SCOPE,phase="failed"}', "{{reason}}", "reason")],
            stacked=True,
            span=12,
        ),
    ],
)

WARM: Final = Row(
    "Warm bots",
    [
        lines(
            "Warm bots",
            "Warm bots of each agent that keeps some: ready to take a call, starting, and how many should be "
            "ready. Ready below wanted for 15 minutes, though no calls take them, raises an alert.",
            COUNT,
            [
                Query(of_leader('podline_warm_bots{SCOPE,state="ready"}', "agent"), "{{agent}} ready"),
                Query(of_leader('podline_warm_bots{SCOPE,state="starting"}', "agent"), "{{agent}} starting"),
                Query(of_leader("podline_warm_bots_wanted{SCOPE}", "agent"), "{{agent}} wanted"),
            ],
        ),
        lines(
            "Claims by result",
            "Attempts to give a start a warm bot. Many no_bot: the buffer is too small, or bots don't start. "
            "Others than claimed: docs/reference/metrics.md.",
            PER_MINUTE,
            [per_minute("podline_warm_claims_total{SCOPE}", "{{result}}", "result")],
            stacked=True,
        ),
        lines(
            "Cold starts",
            "The share of starts without a warm bot, of agents that keep some. 5 % within 10 minutes because "
            "none was ready raise an alert.",
            SHARE,
            [
                Query(
                    "clamp_min(1 - sum by (agent)"
                    ' (rate(podline_warm_claims_total{SCOPE,result="claimed"}[$__rate_interval]))'
                    " / sum by (agent) (rate(podline_session_starts_total{SCOPE}[$__rate_interval])), 0)",
                    "{{agent}}",
                )
            ],
            (0.05, 0.5),
        ),
        lines(
            "Claim to joined",
            "From a warm bot's confirmation of its session until it has joined the room. Each dot is one "
            "call, with its trace id.",
            SECONDS,
            quantiles("podline_claim_seconds_bucket{SCOPE}", of=(0.5, 0.95)),
        ),
        lines(
            "How long warm bots take to be ready",
            "From the launch of a warm bot until it was ready for a call. As many calls as may come within "
            "this time need a bot that waits: docs/deploying-agents.md, How many warm bots.",
            SECONDS,
            quantiles("podline_warm_start_seconds_bucket{SCOPE}", of=(0.5, 0.95)),
        ),
        lines(
            "How long bots waited",
            "How long bots had been ready when they were claimed, an hour at most. Long waits: the buffer is "
            "larger than these calls need.",
            SECONDS,
            quantiles("podline_warm_wait_seconds_bucket{SCOPE}", of=(0.5, 0.9)),
        ),
        lines(
            "Idle bots",
            "The average number of warm bots that were ready and had no call, by agent, stacked: what the "
            "pools cost.",
            COUNT,
            [per_second("podline_warm_idle_seconds_total{SCOPE}", "{{agent}}", "agent")],
            stacked=True,
        ),
    ],
)

CALLS: Final = board(
    "calls",
    "Calls",
    "Are calls starting, how long does it take, why do they end, what is slow?",
    [NOW, STARTING, SLOW, WARM, ENDS],
)
