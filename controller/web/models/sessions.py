"""A session as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field

from controller.core.session import Session
from controller.observe.prices import PriceList
from controller.web.models.documented import Documented
from controller.web.models.usage import BudgetOut, CostOut, UsageOut
from podline.contract.reasons import Phase, Reason


def _is_none(value: object) -> bool:
    return value is None


class IceServerOut(Documented):
    """A STUN or TURN server, in the form of a browser's RTCIceServer."""

    model_config = ConfigDict(from_attributes=True)

    urls: str
    """The server's address, such as `stun:stun.example.com` or `turns:turn.example.com`."""
    username: Annotated[str | None, Field(exclude_if=_is_none)] = None
    """The user name for a TURN server; absent for STUN."""
    credential: Annotated[str | None, Field(exclude_if=_is_none)] = None
    """The password for a TURN server, valid no longer than the session may last; absent for STUN."""


class RoomOut(Documented):
    """Where the caller joins."""

    provider: str
    """The kind of room: `daily`, `livekit` or `webrtc`."""
    url: str | None
    """The address to join: the room's with Daily, the server's with LiveKit, and the one for offers with
    SmallWebRTC. Null until the room exists."""
    token: str | None
    """The caller's token for the room. Only the response to the start has it, and only while the session has
    not ended and if the controller created the room. With SmallWebRTC it is the bearer of offers."""
    ice_servers: Annotated[list[IceServerOut] | None, Field(exclude_if=_is_none)] = None
    """STUN and TURN servers for the caller. Only in the response to the start, and only if the operator has
    set any."""


class TimelineOut(Documented):
    """When the session reached each step (RFC 3339, UTC, by the controller's clock); null if it hasn't."""

    model_config = ConfigDict(from_attributes=True)

    accepted: datetime
    """The controller accepted the request."""
    launched: datetime | None
    """The bot's Job or process was created."""
    scheduled: datetime | None
    """The bot's pod got a node. Locally the same as `launched`."""
    process_up: datetime | None
    """The bot's process was running."""
    joined: datetime | None
    """The bot joined the room, or could take an offer: the session is live."""
    caller_joined: datetime | None
    """The caller joined."""
    first_speech: datetime | None
    """The bot's first speech could be heard."""
    ended: datetime | None
    """The bot was confirmed gone."""


class DiagnosticsOut(Documented):
    """What a bot that failed left behind, oldest first."""

    model_config = ConfigDict(from_attributes=True)

    events: list[str]
    """Warnings that the cluster recorded about the bot's Job and pod."""
    log: list[str]
    """The last lines of the bot's log."""


class SessionOut(Documented):
    """A session: one call, from its request to the confirmed end of its bot."""

    id: str
    """The session's id: the one in the request, or one that the controller made."""
    user_id: str
    """The user whom the session is for."""
    agent: str
    """The agent that the caller talks to."""
    agent_version: str | None
    """The version of the agent's definition that the session was accepted with."""
    phase: Phase
    """`starting` until the bot has joined, `live` during the call, `stopping` after a request to end.
    `ended` (as intended) and `failed` are final: the bot is gone."""
    cold_start: bool | None
    """False if a warm bot took the session, true if a bot was started for it; null until one is chosen."""
    reason: Reason | None
    """Why the session ended; null until then."""
    message: str | None
    """What happened and what to do, in a sentence or two for the operator; null until the session ends."""
    caller_message: str | None
    """One sentence that may be shown or read to the caller; null until the session ends."""
    room: RoomOut
    """The room in which the caller joins the bot."""
    timeline: TimelineOut
    """When the session reached each step."""
    usage: UsageOut
    """What the call has used so far; complete once the session has ended."""
    turns_unanswered: int
    """How often the caller was owed an answer and had not heard it in time: after a turn, the greeting or a
    tool's result. Most are answered after all, because the bot asks again and reconnects."""
    cost: CostOut | None
    """What the usage costs; null if the controller has no prices."""
    persona: str | None
    """The persona in the request; null if it named none."""
    max_duration_seconds: int
    """How long the call may last before it ends as `max_duration`."""
    budget: BudgetOut
    """The most that the session may use: the request's limits, or the operator's defaults."""
    created_at: datetime
    """When the request was accepted."""
    metadata: dict[str, Any]
    """The object in the request, unchanged."""
    diagnostics: DiagnosticsOut | None
    """What a failed bot left behind; null for all other sessions, and if there is nothing."""

    @classmethod
    def of(
        cls,
        session: Session,
        prices: PriceList | None,
        caller_token: str | None = None,
        ice_servers: list[IceServerOut] | None = None,
    ) -> Self:
        """Return a session as the API shows it."""
        return cls(
            id=session.id,
            user_id=session.user_id,
            agent=session.agent,
            agent_version=session.agent_version,
            phase=session.phase,
            cold_start=session.cold_start,
            reason=session.ending.reason if session.ending else None,
            message=session.ending.message if session.ending else None,
            caller_message=session.ending.caller_message if session.ending else None,
            room=RoomOut(
                provider=session.room_provider,
                url=session.room_url,
                token=caller_token,
                ice_servers=ice_servers,
            ),
            timeline=TimelineOut.model_validate(session.timeline),
            usage=UsageOut.of(session),
            turns_unanswered=session.usage.turns_unanswered,
            cost=CostOut.of(session, prices),
            persona=session.persona,
            max_duration_seconds=session.max_duration_seconds,
            budget=BudgetOut.model_validate(session.budget),
            created_at=session.timeline.accepted,
            metadata=session.metadata,
            diagnostics=DiagnosticsOut.model_validate(session.diagnostics) if session.diagnostics else None,
        )


class SessionPage(Documented):
    """A page of sessions, newest first."""

    sessions: list[SessionOut]
    """Running sessions, and those that ended and are still kept."""
    next_cursor: str | None
    """The `cursor` of the next page, with older sessions; null on the last one."""
