"""When a bot has had its time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.deadlines import Limits, Standing, fault_is_ours, next_check_in, overdue
from podline.contract.reasons import Phase, Reason

LIMITS = Limits(start_timeout=120, grace=30, silence=20)


def standing(
    phase: Phase = Phase.LIVE,
    launched: float | None = 60.0,
    heard: float | None = 1.0,
    listening: float = 9999.0,
    max_duration: float = 600.0,
) -> Standing:
    return Standing(
        phase=phase, launched=launched, heard=heard, listening=listening, max_duration=max_duration
    )


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (standing(), None),
        (standing(Phase.STARTING, launched=None, heard=None), None),
        (standing(Phase.STARTING, launched=119, heard=None), None),
        (standing(Phase.STARTING, launched=121, heard=None), Reason.START_TIMEOUT),
        (standing(Phase.STARTING, launched=121, heard=1), Reason.START_TIMEOUT),
        (standing(Phase.STARTING, launched=121, heard=None, listening=5), None),
        (standing(Phase.STARTING, launched=121, heard=None, listening=21), Reason.START_TIMEOUT),
        (standing(launched=749), None),
        (standing(launched=751), Reason.MAX_DURATION),
        (standing(heard=19), None),
        (standing(heard=21), Reason.UNRESPONSIVE),
        (standing(Phase.STARTING, heard=21), Reason.UNRESPONSIVE),
        (standing(Phase.STOPPING, launched=9999, heard=9999), None),
        (standing(Phase.ENDED, launched=9999, heard=9999), None),
    ],
)
def test_each_deadline_has_its_reason(at: Standing, reason: Reason) -> None:
    assert overdue(at, LIMITS) is reason


@pytest.mark.parametrize(
    ("silent", "heard", "is_ours"), [(1, 0, False), (2, 1, False), (3, 1, True), (3, 3, False), (20, 0, True)]
)
def test_when_most_fall_silent_at_once_the_fault_is_ours(silent: int, heard: int, *, is_ours: bool) -> None:
    standings = [standing(heard=25)] * silent + [standing(heard=1)] * heard
    assert fault_is_ours(standings, LIMITS) is is_ours


def test_bots_that_fell_silent_together_count_though_they_reported_last_at_different_moments() -> None:
    standings = [standing(heard=seconds) for seconds in (21, 17, 12, 1)]
    assert fault_is_ours(standings, LIMITS)


@given(
    phase=st.sampled_from([Phase.STARTING, Phase.LIVE]),
    launched=st.floats(0, 3000),
    heard=st.none() | st.floats(0, 100),
    share=st.floats(0, 0.999),
    is_heard_now=st.booleans(),
)
def test_a_bot_is_not_overdue_before_its_next_check(
    phase: Phase, launched: float, heard: float | None, share: float, *, is_heard_now: bool
) -> None:
    now = standing(phase, launched, heard, max_duration=1800)
    later = share * next_check_in(now, LIMITS)
    heard_later = 0.0 if is_heard_now else None if heard is None else heard + later
    then = standing(phase, launched + later, heard_later, max_duration=1800)

    assert overdue(now, LIMITS) is not None or overdue(then, LIMITS) is None
