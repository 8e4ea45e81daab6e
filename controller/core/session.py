"""A session, and how it may change. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Final

from controller.core.agents import DEFAULT_AGENT
from podline.contract.reason_texts import TEXTS
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage

ANONYMOUS: Final = "anonymous"
"""The user of a session started without a name. Many people share it, so no per-user limit applies."""

SUCCESSORS: Final[dict[Phase, frozenset[Phase]]] = {
    Phase.STARTING: frozenset({Phase.LIVE, Phase.STOPPING, Phase.ENDED, Phase.FAILED}),
    Phase.LIVE: frozenset({Phase.STOPPING, Phase.ENDED, Phase.FAILED}),
    Phase.STOPPING: frozenset({Phase.ENDED, Phase.FAILED}),
    Phase.ENDED: frozenset(),
    Phase.FAILED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """When each step was reached, by the controller's clock; None if it was not."""

    accepted: datetime
    launched: datetime | None = None
    scheduled: datetime | None = None
    process_up: datetime | None = None
    joined: datetime | None = None
    caller_joined: datetime | None = None
    first_speech: datetime | None = None
    ended: datetime | None = None

    def marked(self, **moments: datetime | None) -> Timeline:
        """Set moments that are not set yet. Recorded ones stay, and steps stay in order.

        Events overtake each other: a pod may be seen before the request for it has been answered, and the
        time of a step that was not seen comes from elsewhere, in whole seconds.
        """
        timeline = self
        for name, at in moments.items():
            if at is not None and getattr(timeline, name) is None:
                timeline = replace(timeline, **{name: timeline._in_order(name, at)})
        return timeline

    def _in_order(self, name: str, at: datetime) -> datetime:
        """Return the nearest moment that is not before an earlier step, nor after a later one."""
        position = _STEPS.index(name)
        moments: list[datetime | None] = [getattr(self, step) for step in _STEPS]
        earlier = [moment for moment in moments[:position] if moment is not None]
        later = [moment for moment in moments[position:] if moment is not None]
        return min([max([at, *earlier]), *later])


_STEPS: Final = tuple(step.name for step in fields(Timeline))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a session ended: its reason, and two sentences for the operator.

    Attributes:
        what_happened: the first sentence. The bot's or an error's own words may already contain the advice.
        advice: what to do; empty if there is nothing to do.
    """

    reason: Reason
    what_happened: str
    advice: str = ""

    @property
    def message(self) -> str:
        """Both sentences as one string, as in the API and in the Job's annotations."""
        return f"{self.what_happened} {self.advice}" if self.advice else self.what_happened

    @property
    def caller_message(self) -> str:
        """The sentence that may be shown or read to the caller."""
        return TEXTS[self.reason].to_caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """Details of a bot that failed: warning events about it, and the tail of its log, oldest first."""

    events: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a session may use; None if unlimited. Tokens include prompt and completion."""

    tokens: int | None = None
    cost: float | None = None


NO_BUDGET: Final = Budget()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One call, from the request for it to its end.

    Attributes:
        launch_id: random, different for each launch; the bot's token is bound to it.
        request_hash: the hash of the request that started it; distinguishes a repeat from a conflict.
        room_is_brought: the caller made the room, so it is not ours to issue tokens for or to close.
        room_name: unique among the rooms of its provider.
        usage_is_partial: the bot left no final report, so it may have used more than `usage` says.
        diagnostics: of a session that failed, if its runtime has any.
        address_tag: stands for the address of a caller without a name; None for all others.
        agent: the name of its agent.
        agent_version: the id of the version that it was accepted with; None for one of an earlier release.
        body: JSON for the bot, which nobody else is shown; None if there is none, or once it has ended.
        cold_start: True if a bot was launched for it, False if it claimed a warm one; None until then.
        body_is_lost: there is a body, but only the controller that accepted the session knew it.
        trace: the W3C headers that continue the request's trace; empty if it is not traced.
        room_properties: of the room to create; not kept once there is one.
        unknown_fields: of its record, which a newer controller wrote: to be kept when it is written again.
    """

    id: str
    user_id: str
    launch_id: str
    request_hash: str
    room_provider: str
    room_url: str | None = None
    room_is_brought: bool = False
    room_name: str | None = None
    agent: str = DEFAULT_AGENT
    agent_version: str | None = None
    body: str | None = field(default=None, repr=False)
    body_is_lost: bool = False
    persona: str | None = None
    max_duration_seconds: int
    budget: Budget = NO_BUDGET
    metadata: dict[str, Any] = field(default_factory=dict)
    phase: Phase = Phase.STARTING
    cold_start: bool | None = None
    ending: Ending | None = None
    timeline: Timeline
    usage: Usage = field(default_factory=Usage)
    usage_is_partial: bool = False
    diagnostics: Diagnostics | None = None
    address_tag: str | None = None
    trace: dict[str, str] = field(default_factory=dict)
    room_properties: Mapping[str, Any] = field(default_factory=dict)
    unknown_fields: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @property
    def has_bot(self) -> bool:
        """Whether it was decided which bot is the session's, though that may not be known to run."""
        return self.cold_start is not None or self.timeline.launched is not None

    def moved(self, phase: Phase) -> Session:
        """Go to `phase` if that is a step forward; otherwise stay.

        Events arrive late and twice. A bot that reports having joined after it was asked to leave is still
        stopping, and an end is final.
        """
        return replace(self, phase=phase) if phase in SUCCESSORS[self.phase] else self

    def marked(self, **moments: datetime | None) -> Session:
        """Set moments of the timeline. The session is live once the bot has joined."""
        session = replace(self, timeline=self.timeline.marked(**moments))
        return session.moved(Phase.LIVE) if session.timeline.joined is not None else session

    def used(self, usage: Usage, *, partial: bool = False) -> Session:
        return replace(self, usage=usage, usage_is_partial=partial)

    def ended(self, ending: Ending, at: datetime) -> Session:
        """Close the record. The first ending stays."""
        if self.phase.is_end:
            return self
        return replace(
            self.moved(ending.reason.phase),
            ending=ending,
            timeline=self.timeline.marked(ended=at),
            body=None,
        )
