"""A leader never writes later than 3 s after it sent a renewal that was acknowledged, nor after its end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.runtimes.kubernetes.leader.tenure import WRITE_SECONDS, Tenure

_SECONDS = st.sampled_from([0.0, 0.5, 1.0, 2.5, 3.0, 10.0])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), _SECONDS),
        st.tuples(st.just("send"), st.just(0.0)),
        st.tuples(st.just("acknowledge"), st.integers(0, 9).map(float)),
        st.tuples(st.just("end"), st.just(0.0)),
    ),
    max_size=40,
)


@given(_STEPS)
def test_it_allows_writing_only_shortly_after_an_acknowledged_renewal_was_sent(
    steps: list[tuple[str, float]],
) -> None:
    now = 0.0
    tenure = Tenure(lambda: now)
    sent: list[float] = []
    acknowledged: list[float] = []
    has_ended = False
    for step, number in steps:
        match step:
            case "pass":
                now += number
            case "send":
                sent.append(now)
            case "acknowledge" if sent:
                at = sent[int(number) % len(sent)]
                acknowledged.append(at)
                tenure.renewed(at)
            case "end":
                tenure.has_ended = has_ended = True
        is_recent = any(now < at + WRITE_SECONDS for at in acknowledged)

        assert tenure.may_write() == (is_recent and not has_ended)
        assert tenure.lasts == (bool(acknowledged) and not has_ended)


def test_it_has_not_begun_before_the_first_renewal() -> None:
    tenure = Tenure(lambda: 0.0)

    assert not tenure.lasts
    assert not tenure.may_write()


def test_an_older_renewal_that_is_acknowledged_late_takes_nothing_away() -> None:
    now = 2.0
    tenure = Tenure(lambda: now)
    tenure.renewed(2.0)
    is_latest = tenure.renewed(1.0)

    assert not is_latest
    assert tenure.renewed_at == 2.0
