"""The model hears a caller in real time, whatever a client sends."""

from hypothesis import given
from hypothesis import strategies as st

from podline.runner.room.hearing import BURST_SECONDS, Hearing
from testing.callers.client_messages import StillClock


def test_speech_in_real_time_is_heard_whole() -> None:
    clock = StillClock()
    hearing = Hearing(clock)

    for _ in range(100_000):
        clock.now += 0.02
        assert hearing.admits(320, 16_000)

    assert hearing.drain() == 0.0


def test_a_connection_that_stalls_loses_nothing_of_what_it_held_back() -> None:
    clock = StillClock()
    hearing = Hearing(clock)
    clock.now += 2.5

    assert all(hearing.admits(320, 16_000) for _ in range(125))


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.integers(-10, 10_000_000),
            st.sampled_from([0, -1, 1, 8_000, 16_000, 48_000, 192_000]),
        )
    )
)
def test_no_more_is_ever_heard_than_time_has_passed(frames: list[tuple[float, int, int]]) -> None:
    clock = StillClock()
    hearing = Hearing(clock)
    heard = 0.0

    for pause, count, rate in frames:
        clock.now += pause
        if hearing.admits(count, rate):
            heard += count / rate
        assert heard <= clock.now + BURST_SECONDS + 1e-6


def test_what_is_dropped_is_counted_once() -> None:
    hearing = Hearing(StillClock())

    heard = sum(hearing.admits(12_000, 48_000) for _ in range(20))

    assert heard == 12
    assert hearing.drain() == 2.0
    assert hearing.drain() == 0.0
