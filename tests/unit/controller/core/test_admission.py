"""Whether one more session fits, for every limit and any order of starts and ends."""

from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from controller.core.admission import (
    LONGEST_ROOM_WAIT_SECONDS,
    AgentLimits,
    ModelKeyLimit,
    SessionAdmission,
    SessionLimits,
    room_limit,
)
from controller.core.limits import LimitName
from controller.core.lowering import BURST_SECONDS, HOLD_SECONDS, STEP_SECONDS, STEPS
from controller.core.rooms import Rate, RoomLoad
from controller.core.session import ANONYMOUS, Session
from testing.fakes.controllers.sessions import some_session

AGENTS = {
    "shopping": AgentLimits(per_user=2),
    "support": AgentLimits(most=3, secret_set="google"),
    "sales": AgentLimits(most=4, secret_set="google-copy"),
    "kiosk": AgentLimits(secret_set="openai"),
}
LIMITS = SessionLimits(
    capacity=9,
    per_user=3,
    per_address=2,
    per_model_key=(
        ModelKeyLimit(holders=("google", "google-copy"), sessions=5),
        ModelKeyLimit(holders=("shopping",), sessions=7),
    ),
)
KEYS = {
    "shopping": "shopping",
    "support": "google+google-copy",
    "sales": "google+google-copy",
    "kiosk": "openai",
}


def admission(limits: SessionLimits = LIMITS) -> SessionAdmission:
    return SessionAdmission(limits, AGENTS.__getitem__)


def session(number: int, agent: str = "shopping", user: str = "", tag: str | None = None) -> Session:
    return some_session(
        f"launch-{number}", id=f"s-{number}", user_id=user or f"user-{number}", agent=agent, address_tag=tag
    )


@dataclass
class Naive:
    """The same limits, counted anew each time from the sessions that run."""

    running: list[Session] = field(default_factory=list)

    def reached(self, one: Session) -> LimitName | None:
        users = Counter(each.user_id for each in self.running)
        tags = Counter(each.address_tag for each in self.running)
        agents = Counter(each.agent for each in self.running)
        keys = Counter(KEYS[each.agent] for each in self.running)
        of_both = sum((each.user_id, each.agent) == (one.user_id, one.agent) for each in self.running)
        most_of_agent, most_of_both = AGENTS[one.agent].most, AGENTS[one.agent].per_user or 3
        key = KEYS[one.agent]
        checks = {
            LimitName.CAPACITY: len(self.running) >= 9,
            LimitName.USER: one.user_id != ANONYMOUS and (users[one.user_id] >= 3 or of_both >= most_of_both),
            LimitName.ADDRESS: one.address_tag is not None and tags[one.address_tag] >= 2,
            LimitName.AGENT: most_of_agent is not None and agents[one.agent] >= most_of_agent,
            LimitName.MODEL_KEY: keys[key] >= {"shopping": 7, "google+google-copy": 5, "openai": 9}[key],
        }
        return next((name for name, is_reached in checks.items() if is_reached), None)


STARTS = st.tuples(
    st.just("start"),
    st.sampled_from(sorted(AGENTS)),
    st.sampled_from(["ana", "bo", "cem", "dee", ANONYMOUS]),
    st.sampled_from([None, "tag-1", "tag-2"]),
)
ENDS = st.tuples(st.just("end"), st.integers(0, 30), st.none(), st.none())
ADOPTIONS = st.tuples(st.just("adopt"), st.sampled_from(sorted(AGENTS)), st.just("ana"), st.none())


@given(st.lists(STARTS | ENDS | ADOPTIONS, max_size=60))
def test_it_refuses_what_counting_anew_refuses_and_forgets_what_has_ended(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    real, naive = admission(), Naive()
    for number, (step, what, user, tag) in enumerate(steps):
        if step == "end":
            if naive.running:
                ended = naive.running.pop(what % len(naive.running))
                real.release(ended)
                real.release(ended)
            continue
        one = session(number, what, user, tag)
        limit = real.reached(one, () if tag is None else (tag,), now=0.0)
        assert (None if limit is None else limit.name) == naive.reached(one)
        if limit is None or step == "adopt":
            real.hold(one)
            naive.running.append(one)
        assert real.running == len(naive.running)
    for one in naive.running:
        real.release(one)
    empty = admission()
    assert real.shared(AGENTS, 0.0) == empty.shared(AGENTS, 0.0)
    assert real.running == 0


REFUSED = st.lists(st.tuples(st.integers(0, 8), st.floats(0, 120)), max_size=20)


@given(REFUSED, st.integers(1, 9))
def test_a_lowered_key_never_stops_all_calls_and_recovers(
    refused: list[tuple[int, float]], running: int
) -> None:
    real = admission()
    sessions = [session(number) for number in range(running)]
    for one in sessions:
        real.hold(one)
    now = 0.0
    for number, wait in refused:
        now += wait
        limit = real.model_refused(sessions[number % running], now)
        assert limit is None or 1 <= limit.most < limit.full == 7
    for one in sessions:
        real.release(one)
    assert real.reached(session(99), (), now) is None
    later = now + HOLD_SECONDS + STEPS * STEP_SECONDS
    assert not any(limit.is_lowered for limit in real.shared(AGENTS, later))


def test_a_bot_lowers_its_own_key_once_however_often_it_complains() -> None:
    real = admission()
    liar, *others = (session(number) for number in range(6))
    for one in (liar, *others):
        real.hold(one)
    first = real.model_refused(liar, 0.0)
    assert first is not None
    assert (first.subject, first.used, first.most) == ("shopping", 6, 4)
    assert [real.model_refused(liar, BURST_SECONDS * n) for n in range(1, 50)] == [None] * 49
    by_name = {limit.subject: limit for limit in real.shared(AGENTS, 1.0)}
    assert [name for name, limit in by_name.items() if limit.is_lowered] == ["shopping"]


def test_a_key_that_two_agents_share_is_limited_for_both() -> None:
    real = admission()
    for number in range(3):
        real.hold(session(number, "support"))
    for number in range(3, 5):
        real.hold(session(number, "sales"))

    limit = real.reached(session(9, "sales"), (), 0.0)
    assert limit is not None
    assert (limit.name, limit.subject, limit.most, limit.used) == (
        LimitName.MODEL_KEY,
        "google+google-copy",
        5,
        5,
    )


def test_an_undeclared_key_has_the_whole_capacity_and_is_lowered_all_the_same() -> None:
    real = admission()
    for number in range(4):
        real.hold(session(number, "kiosk"))
    assert real.reached(session(9, "kiosk"), (), 0.0) is None
    real.model_refused(session(0, "kiosk"), 0.0)

    limit = real.reached(session(9, "kiosk"), (), 0.0)
    assert limit is not None
    assert (limit.subject, limit.most, limit.full, limit.wait_seconds) == ("openai", 3, 9, HOLD_SECONDS)


def test_a_definition_that_is_gone_frees_what_its_sessions_held() -> None:
    agents = dict(AGENTS)
    real = SessionAdmission(LIMITS, lambda name: agents.get(name, AgentLimits()))
    one = session(1, "support")
    real.hold(one)
    del agents["support"]
    real.release(one)
    assert [limit.used for limit in real.shared(["shopping"], 0.0)] == [0, 0]


def test_a_room_may_wait_a_little_for_its_turn_and_no_longer() -> None:
    rate = Rate(per_second=16.0, full_per_second=16.0)
    assert room_limit(None) is None
    assert room_limit(RoomLoad(wait_seconds=LONGEST_ROOM_WAIT_SECONDS, rate=rate)) is None
    limit = room_limit(RoomLoad(wait_seconds=7.2, rate=rate))
    assert limit is not None
    assert (limit.name, limit.full, limit.wait_seconds) == (LimitName.ROOM_PROVIDER, 16, 8)
