"""Budgets that burn, and some that only seem to."""

from __future__ import annotations

from tests.monitoring.situations import CRASHED, Situation, at, ends

SPOKE = 'podline_session_start_seconds_count{namespace="voice"}'
IN_TIME = 'podline_session_start_seconds_bucket{namespace="voice",le="10.0"}'
NEVER_SPOKE = 'podline_session_furthest_stage_total{namespace="voice",phase="failed",stage="process_up"}'
NOBODY_CAME = 'podline_session_furthest_stage_total{namespace="voice",phase="ended",stage="joined"}'
FAILED_ALONE = 'podline_session_furthest_stage_total{namespace="voice",phase="failed",stage="joined"}'
SPOKE_AND_ENDED = 'podline_session_furthest_stage_total{namespace="voice",phase="ended",stage="first_speech"}'
UNKNOWN = 'podline_session_furthest_stage_total{namespace="voice",phase="failed",stage="unknown"}'
WISHED = ends("ended", "caller_left")

LATE = "did not reach first speech within 10 s; the objective allows 1 %."
FAILED = "ended in a failure; the objective allows 0.5 %."

STARTS = [
    Situation(
        "PodlineStartsBurnFast",
        "three in ten are late, for an hour and still",
        {SPOKE: "0+10x120", IN_TIME: "0+7x120"},
        "90m",
        f"30% of calls {LATE}",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "three in ten are late, before a hand-over and after it",
        {
            at("a", SPOKE): "0+10x60 _x60",
            at("a", IN_TIME): "0+7x60 _x60",
            at("b", SPOKE): "0x60 0+10x59",
            at("b", IN_TIME): "0x60 0+7x59",
            at("b", NEVER_SPOKE): "0x120",
        },
        "90m",
        f"30% of calls {LATE}",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "all are in time, while leaders follow each other",
        {
            at("a", SPOKE): "0+10x60 _x60",
            at("a", IN_TIME): "0+10x60 _x60",
            at("b", SPOKE): "0x60 0+10x59",
            at("b", IN_TIME): "0x60 0+10x59",
        },
        "90m",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "bots come up and never speak",
        {SPOKE: "0+8x120", IN_TIME: "0+8x120", NEVER_SPOKE: "0+2x120"},
        "90m",
        f"20% of calls {LATE}",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "one in twelve is late, for six hours and still",
        {SPOKE: "0+12x400", IN_TIME: "0+11x400"},
        "390m",
        f"8.333% of calls {LATE}",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "callers do not come to bots that wait for them",
        {SPOKE: "0+2x120", IN_TIME: "0+2x120", NOBODY_CAME: "0+8x120"},
        "90m",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "bots fail while they wait for their callers",
        {SPOKE: "0+8x120", IN_TIME: "0+8x120", NOBODY_CAME: "0+5x120", FAILED_ALONE: "0+2x120"},
        "90m",
        f"20% of calls {LATE}",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "calls were lost with their nodes while no controller was there",
        {SPOKE: "0+8x120", IN_TIME: "0+8x120", UNKNOWN: "0+5x120"},
        "90m",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "the only two calls of a night are late",
        {SPOKE: "0x60 2x60", IN_TIME: "0x120"},
        "62m",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "starts were late for an hour, and no longer are",
        {SPOKE: "0+10x120", IN_TIME: "0+5x60 305+10x60"},
        "95m",
    ),
    Situation(
        "PodlineStartsBurnFast",
        "long calls end while few begin",
        {
            SPOKE: "0+1x120",
            IN_TIME: "0+1x120",
            SPOKE_AND_ENDED: "0+20x120",
        },
        "90m",
    ),
    Situation(
        "PodlineStartsBurnSlow",
        "one in twenty-five is late for a day",
        {SPOKE: "0+100x300", IN_TIME: "0+96x300"},
        "24h",
        f"4% of calls {LATE}",
        step="5m",
    ),
    Situation(
        "PodlineStartsBurnSlow",
        "one in fifty is late for three days",
        {SPOKE: "0+100x900", IN_TIME: "0+98x900"},
        "72h",
        f"2% of calls {LATE}",
        step="5m",
    ),
    Situation(
        "PodlineStartsBurnSlow",
        "one in two hundred is late",
        {SPOKE: "0+200x900", IN_TIME: "0+199x900"},
        "72h",
        step="5m",
    ),
]

FAILURES = [
    Situation(
        "PodlineFailuresBurnFast",
        "one in ten fails, for an hour and still",
        {WISHED: "0+9x120", CRASHED: "0+1x120"},
        "90m",
        f"10% of calls {FAILED}",
    ),
    Situation(
        "PodlineFailuresBurnFast",
        "one in ten fails, before a hand-over and after it",
        {
            at("a", WISHED): "0+9x60 _x60",
            at("a", CRASHED): "0+1x60 _x60",
            at("b", WISHED): "0x60 0+9x59",
            at("b", CRASHED): "0x60 0+1x59",
        },
        "90m",
        f"10% of calls {FAILED}",
    ),
    Situation(
        "PodlineFailuresBurnFast",
        "the only two calls of a night fail",
        {WISHED: "0x120", CRASHED: "0x60 2x60"},
        "62m",
    ),
    Situation(
        "PodlineFailuresBurnFast",
        "all sessions end as wished",
        {WISHED: "0+9x120", ends("ended", "no_caller"): "0+5x120", CRASHED: "0x120"},
        "90m",
    ),
    Situation(
        "PodlineFailuresBurnSlow",
        "one in fifty fails for a day",
        {WISHED: "0+98x300", CRASHED: "0+2x300"},
        "24h",
        f"2% of calls {FAILED}",
        step="5m",
    ),
    Situation(
        "PodlineFailuresBurnSlow",
        "one in four hundred fails",
        {WISHED: "0+399x900", CRASHED: "0+1x900"},
        "72h",
        step="5m",
    ),
]
