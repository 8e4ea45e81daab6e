"""How far refusals from upstream lower a limit, and how it recovers."""

from hypothesis import given
from hypothesis import strategies as st

from controller.core.lowering import (
    BURST_SECONDS,
    HOLD_SECONDS,
    LONGEST_HOLD_SECONDS,
    SHARE_LEFT,
    STEP_SECONDS,
    STEPS,
    Lowered,
    lower,
)

FULL = st.integers(1, 500).map(float)
REFUSALS = st.lists(
    st.tuples(st.floats(0, 400), st.integers(0, 600), st.floats(0, 10_000)), min_size=1, max_size=30
)


def after(full: float, refusals: list[tuple[float, int, float]]) -> tuple[Lowered, float]:
    """Play refusals: each so long after the one before, at such a load, asking for such a pause."""
    lowered: Lowered | None = None
    now = 0.0
    for wait, load, pause in refusals:
        now += wait
        lowered = lower(lowered, full=full, load=load, least=1, now=now, pause_seconds=pause)
    assert lowered is not None
    return lowered, now


@given(FULL, REFUSALS, st.floats(0, 10_000))
def test_a_limit_stays_between_one_and_all(
    full: float, refusals: list[tuple[float, int, float]], later: float
) -> None:
    lowered, now = after(full, refusals)
    assert 1 <= lowered.level_at(now) <= full
    assert 1 <= lowered.level_at(now + later) <= full


@given(FULL, REFUSALS, st.lists(st.floats(0, 5_000), min_size=2, max_size=10))
def test_without_refusals_it_only_rises_and_is_whole_again_in_bounded_time(
    full: float, refusals: list[tuple[float, int, float]], moments: list[float]
) -> None:
    lowered, now = after(full, refusals)
    levels = [lowered.level_at(now + moment) for moment in sorted(moments)]
    assert levels == sorted(levels)
    assert lowered.is_over_at(now + LONGEST_HOLD_SECONDS + STEPS * STEP_SECONDS)


@given(FULL, REFUSALS)
def test_each_step_comes_when_it_is_announced(full: float, refusals: list[tuple[float, int, float]]) -> None:
    lowered, now = after(full, refusals)
    while not lowered.is_over_at(now):
        step = lowered.seconds_to_step(now)
        assert 0 < step <= LONGEST_HOLD_SECONDS + 1e-6
        before, now = lowered.level_at(now), now + step
        # A moment later, because the sum of two floats may be a little less.
        assert lowered.level_at(now + 1e-6) > before
        now += 1e-6


@given(FULL, REFUSALS, st.lists(st.floats(0, BURST_SECONDS - 0.01), min_size=1, max_size=50))
def test_a_burst_of_refusals_lowers_once(
    full: float, refusals: list[tuple[float, int, float]], burst: list[float]
) -> None:
    lowered, _ = after(full, refusals)
    many = lowered
    for moment in sorted(burst):
        at = lowered.lowered_at + moment
        many = lower(many, full=full, load=full, least=1, now=at)
    assert (many.level, many.lowered_at) == (lowered.level, lowered.lowered_at)
    assert many.hold_until >= lowered.hold_until


def test_twelve_of_twenty_sessions_refused_leave_nine_and_two_more_each_half_minute() -> None:
    lowered = lower(None, full=20, load=12, least=1, now=0)
    assert lowered.level_at(0) == 9
    assert lowered.level_at(HOLD_SECONDS - 0.1) == 9
    assert lowered.level_at(HOLD_SECONDS) == 11
    assert lowered.level_at(HOLD_SECONDS + STEP_SECONDS) == 13
    assert lowered.is_over_at(HOLD_SECONDS + 5 * STEP_SECONDS)


def test_refusals_that_go_on_lower_it_further() -> None:
    lowered = lower(None, full=20, load=20, least=1, now=0)
    again = lower(lowered, full=20, load=20, least=1, now=BURST_SECONDS)
    assert (lowered.level, again.level) == (15, 15 * SHARE_LEFT)


def test_a_provider_that_asks_for_a_longer_pause_gets_it_within_reason() -> None:
    assert lower(None, full=20, load=20, least=1, now=0, pause_seconds=300).level_at(299) == 15
    assert lower(None, full=20, load=20, least=1, now=0, pause_seconds=1e9).hold_until == LONGEST_HOLD_SECONDS
