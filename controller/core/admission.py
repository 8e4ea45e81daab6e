"""What running sessions count against, and whether one more fits. Time is an argument."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor
from typing import Final

from controller.core.agents import Agents
from controller.core.errors import AgentInvalid, AgentNotFound
from controller.core.limits import USUAL_WAIT_SECONDS, Limit, LimitName
from controller.core.lowering import Lowered, lower
from controller.core.rooms import RoomLoad
from controller.core.session import ANONYMOUS, Session

LONGEST_ROOM_WAIT_SECONDS: Final = 5.0
"""A caller would rather hear that it is busy than wait longer for a room alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelKeyLimit:
    """How many sessions may share one model key.

    Attributes:
        holders: what holds this key: secret sets, and agents without one. Its name is theirs, joined by `+`.
    """

    holders: tuple[str, ...]
    sessions: int

    @property
    def name(self) -> str:
        return "+".join(self.holders)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits:
    """What an agent's definition says about limits.

    Attributes:
        most: its `max_agents`; None if it has no limit of its own.
        per_user: its `sessions_per_user`; None likewise.
        secret_set: holds its model key; None if that is the agent's alone.
    """

    most: int | None = None
    per_user: int | None = None
    secret_set: str | None = None


NO_AGENT_LIMITS: Final = AgentLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """The operator's limits. `per_address` is for anonymous callers; None for no limit."""

    capacity: int
    per_user: int
    per_address: int | None = None
    per_model_key: tuple[ModelKeyLimit, ...] = ()


Count = tuple[LimitName, str] | tuple[LimitName, str, str]
"""What sessions are counted by: a limit and whose it is; with an agent as well, a user's sessions of it."""


@dataclass(slots=True)
class _Held:
    """What one running session counts against, for as long as it runs."""

    counts: tuple[Count, ...]
    model_key: str
    has_lowered: bool = False


@dataclass(slots=True)
class SessionAdmission:
    """Counts running sessions, and says which limit one more would exceed.

    Attributes:
        limits: the operator's.
        of_agent: returns what the current definition of an agent says.
    """

    limits: SessionLimits
    of_agent: Callable[[str], AgentLimits] = lambda _: NO_AGENT_LIMITS
    _held: dict[str, _Held] = field(default_factory=dict)
    _used: Counter[Count] = field(default_factory=Counter)
    _lowered: dict[str, Lowered] = field(default_factory=dict)

    @property
    def running(self) -> int:
        return len(self._held)

    def reached(self, session: Session, address_tags: Sequence[str], now: float) -> Limit | None:
        """Return the first limit that this session would exceed; None if it fits.

        Args:
            session: the one to start.
            address_tags: all tags of its caller's address, if the caller is limited by address only.
            now: seconds on the monotonic clock.
        """
        limits = self._limits_on(session, address_tags, now)
        return next((limit for limit in limits if limit.is_reached), None)

    def hold(self, session: Session) -> None:
        """Count a running session, whatever the limits are."""
        key = self._key_of(session.agent)
        counts: list[Count] = [
            (LimitName.USER, session.user_id),
            (LimitName.USER, session.user_id, session.agent),
            (LimitName.AGENT, session.agent),
            (LimitName.MODEL_KEY, key),
        ]
        if session.address_tag is not None:
            counts.append((LimitName.ADDRESS, session.address_tag))
        self.release(session)
        self._held[session.launch_id] = _Held(tuple(counts), key)
        self._used.update(counts)

    def moved(self, launch_id: str, other_launch_id: str) -> None:
        """Go on counting a session whose launch has become another."""
        if (held := self._held.pop(launch_id, None)) is not None:
            self._held[other_launch_id] = held

    def release(self, session: Session) -> None:
        """Count a session no more. Harmless when repeated."""
        held = self._held.pop(session.launch_id, None)
        for count in held.counts if held is not None else ():
            self._used[count] -= 1
            if not self._used[count]:
                del self._used[count]

    def model_refused(self, session: Session, now: float) -> Limit | None:
        """Lower the limit of a session's model key: its bot reports that the quota is used up.

        Each session can do that once, because a bot may repeat its claim or lie.

        Returns:
            The lowered limit; None if nothing changed.
        """
        held = self._held.get(session.launch_id)
        if held is None or held.has_lowered:
            return None
        held.has_lowered = True
        return self._lower(held.model_key, now)

    def key_refused(self, agent: str, now: float, pause_seconds: float = 0.0) -> Limit:
        """Lower the limit of an agent's model key: its provider refused the controller itself."""
        return self._lower(self._key_of(agent), now, pause_seconds)

    def shared(self, agents: Iterable[str], now: float) -> list[Limit]:
        """Return the state of these agents' limits and of all model keys, each once."""
        named = sorted(set(agents))
        keys = {self._key_of(agent) for agent in named} | {each.name for each in self.limits.per_model_key}
        return [
            *(limit for agent in named if (limit := self._agent_limit(agent)) is not None),
            *(self._key_limit(key, now) for key in sorted(keys | self._lowered.keys())),
        ]

    def _limits_on(self, session: Session, address_tags: Sequence[str], now: float) -> Iterator[Limit]:
        limits = self.limits
        yield _fixed(LimitName.CAPACITY, "", limits.capacity, self.running)
        if session.user_id != ANONYMOUS:
            yield _fixed(LimitName.USER, "", limits.per_user, self._used[LimitName.USER, session.user_id])
            if (of_agent := self.of_agent(session.agent).per_user) is not None:
                used = self._used[LimitName.USER, session.user_id, session.agent]
                yield _fixed(LimitName.USER, session.agent, of_agent, used)
        if limits.per_address is not None and address_tags:
            used = sum(self._used[LimitName.ADDRESS, tag] for tag in set(address_tags))
            yield _fixed(LimitName.ADDRESS, "", limits.per_address, used)
        if (agent_limit := self._agent_limit(session.agent)) is not None:
            yield agent_limit
        yield self._key_limit(self._key_of(session.agent), now)

    def _agent_limit(self, agent: str) -> Limit | None:
        most = self.of_agent(agent).most
        return (
            None if most is None else _fixed(LimitName.AGENT, agent, most, self._used[LimitName.AGENT, agent])
        )

    def _key_of(self, agent: str) -> str:
        holder = self.of_agent(agent).secret_set or agent
        return next((each.name for each in self.limits.per_model_key if holder in each.holders), holder)

    def _key_limit(self, key: str, now: float) -> Limit:
        """Return a key's limit. One without a limit of its own may have as many sessions as there are."""
        full = self._full(key)
        most, wait_seconds = full, USUAL_WAIT_SECONDS
        lowered = self._lowered.get(key)
        if lowered is not None and not lowered.is_over_at(now):
            most = min(full, max(1, floor(lowered.level_at(now))))
            wait_seconds = max(USUAL_WAIT_SECONDS, ceil(lowered.seconds_to_step(now)))
        elif lowered is not None:
            del self._lowered[key]
        used = self._used[LimitName.MODEL_KEY, key]
        return Limit(
            name=LimitName.MODEL_KEY, subject=key, most=most, full=full, used=used, wait_seconds=wait_seconds
        )

    def _full(self, key: str) -> int:
        declared = next((each.sessions for each in self.limits.per_model_key if each.name == key), None)
        return self.limits.capacity if declared is None else min(declared, self.limits.capacity)

    def _lower(self, key: str, now: float, pause_seconds: float = 0.0) -> Limit:
        self._lowered[key] = lower(
            self._lowered.get(key),
            full=self._full(key),
            load=max(1, self._used[LimitName.MODEL_KEY, key]),
            least=1,
            now=now,
            pause_seconds=pause_seconds,
        )
        return self._key_limit(key, now)


def limits_of(agents: Agents, name: str) -> AgentLimits:
    """Return what an agent's current definition says about limits; nothing if it has none."""
    try:
        definition = agents.current(name).definition
    except (AgentNotFound, AgentInvalid):
        return NO_AGENT_LIMITS
    return AgentLimits(
        most=definition.max_agents,
        per_user=definition.sessions_per_user,
        secret_set=definition.secret_set,
    )


def room_limit(load: RoomLoad | None) -> Limit | None:
    """Return the room provider's limit if a room would wait too long for its turn; None if it would not."""
    if load is None or load.wait_seconds <= LONGEST_ROOM_WAIT_SECONDS:
        return None
    return provider_limit(load, "")


def provider_limit(load: RoomLoad, provider: str) -> Limit:
    """Return the state of the room provider's limit; `most` and `full` are requests per second."""
    rate = load.rate
    return Limit(
        name=LimitName.ROOM_PROVIDER,
        subject=provider,
        most=ceil(rate.per_second),
        full=ceil(rate.full_per_second),
        used=ceil(rate.per_second),
        wait_seconds=ceil(load.wait_seconds),
    )


def _fixed(name: LimitName, subject: str, most: int, used: int) -> Limit:
    return Limit(name=name, subject=subject, most=most, full=most, used=used)
