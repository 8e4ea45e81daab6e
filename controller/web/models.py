"""Bodies and queries of the API, and its representation of a session."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Self

import msgspec
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, StringConstraints

from controller.core.session import Session
from controller.observe.prices import PriceList
from podline.contract.arithmetic import by_service
from podline.contract.nesting import MOST_LEVELS, is_too_deep
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage

MAX_METADATA_BYTES = 4096
MAX_BODY_BYTES = 16 * 1024
_JOINERS = "\u200c\u200d"
"""Not printable by themselves, yet part of words in Persian and in the scripts of India."""


def _printable(text: str) -> str:
    if not all(character.isprintable() or character in _JOINERS for character in text):
        raise ValueError("control characters are not allowed")
    return text


def _no_directory(text: str) -> str:
    if text in (".", ".."):
        raise ValueError("'.' and '..' are not allowed")
    return text


def json_of(value: Any) -> str:
    """Return a value of a request as compact JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def at_most(most_bytes: int) -> Callable[[Any], Any]:
    """Return the check of the size and the depth of JSON that is kept or passed on."""

    def check(value: Any) -> Any:
        try:
            size = len(json_of(value).encode())
        except (ValueError, RecursionError):
            raise ValueError("only JSON values are allowed") from None
        if is_too_deep(value):
            raise ValueError(f"at most {MOST_LEVELS} levels of lists and objects are allowed")
        if size > most_bytes:
            raise ValueError(f"at most {most_bytes} bytes of JSON are allowed, this is {size}")
        return value

    return check


UserId = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
SessionId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$"), AfterValidator(_no_directory)
]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=4096), AfterValidator(_printable)]


AgentName = Annotated[str, StringConstraints(max_length=64)]
"""Not checked against the pattern of names: a name that breaks it is the name of no agent."""

BotBody = Annotated[Any, AfterValidator(at_most(MAX_BODY_BYTES))]
"""What the bot receives as `runner_args.body`; null is none."""


class Strict(BaseModel):
    """A body that may have only known fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ListSessions(BaseModel):
    """Which sessions to list. Unknown names are refused: a mistyped filter would list all users' sessions."""

    model_config = ConfigDict(extra="forbid")

    phase: Phase | None = None
    user_id: str | None = None
    agent: str | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    cursor: str | None = None

    def wanted(self) -> dict[str, object]:
        """Return the values that a session's fields must have."""
        filters = {"phase": self.phase, "user_id": self.user_id, "agent": self.agent}
        return {name: value for name, value in filters.items() if value is not None}


class ReadLogs(BaseModel):
    """How to read a log."""

    model_config = ConfigDict(extra="forbid")

    follow: bool = False


class OwnRoom(Strict):
    """A room that the caller created. The token is the bot's."""

    url: ShortText
    token: ShortText


class BudgetRequest(Strict):
    """The most that the session may use. A limit that is left out is the operator's default.

    `tokens` counts prompt and completion of all models together; `cost` is in the price file's currency.
    """

    tokens: Annotated[int, Field(ge=1, le=2**53)] | None = None
    cost: Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)] | None = None


class StartSession(Strict):
    """A request for a session. `session_id` makes it safe to repeat."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"user_id": "ana", "session_id": "cart-7f3a", "metadata": {"cart": "7f3a"}}]
        }
    )

    user_id: UserId
    agent: AgentName | None = None
    body: BotBody = None
    session_id: SessionId | None = None
    room: OwnRoom | None = None
    max_duration_seconds: PositiveInt | None = None
    budget: BudgetRequest | None = None
    persona: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    metadata: Annotated[dict[str, Any], AfterValidator(at_most(MAX_METADATA_BYTES))] = Field(
        default_factory=dict
    )


def _is_none(value: object) -> bool:
    return value is None


class IceServerOut(BaseModel):
    """A STUN or TURN server, in the form of a browser's RTCIceServer."""

    model_config = ConfigDict(from_attributes=True)

    urls: str
    username: Annotated[str | None, Field(exclude_if=_is_none)] = None
    credential: Annotated[str | None, Field(exclude_if=_is_none)] = None


class RoomOut(BaseModel):
    """Where the caller joins. `token` is only in the response to a start, if Podline created the room.

    The same applies to `ice_servers`, if the operator has set any.
    """

    provider: str
    url: str | None
    token: str | None
    ice_servers: Annotated[list[IceServerOut] | None, Field(exclude_if=_is_none)] = None


class TimelineOut(BaseModel):
    """When each step was reached, RFC 3339 UTC; null if it was not."""

    model_config = ConfigDict(from_attributes=True)

    accepted: datetime
    launched: datetime | None
    scheduled: datetime | None
    process_up: datetime | None
    joined: datetime | None
    caller_joined: datetime | None
    first_speech: datetime | None
    ended: datetime | None


class ModelUsageOut(BaseModel):
    """The usage of one model. Prompt and completion include their parts (audio, cached, reasoning).

    Speech-to-text models have `audio_seconds`, the audio they were sent; text-to-speech models `characters`.
    """

    model_config = ConfigDict(from_attributes=True)

    prompt_tokens: int
    completion_tokens: int
    input_audio_tokens: int
    output_audio_tokens: int
    cache_read_input_tokens: int
    cache_read_input_audio_tokens: int
    reasoning_tokens: int
    audio_seconds: float
    characters: int


class ServiceUsageOut(BaseModel):
    """The usage of one of the bot's services, by model."""

    models: dict[str, ModelUsageOut]


class ToolCallsOut(BaseModel):
    """Calls of one tool, by outcome."""

    ok: int
    error: int


class TalkSecondsOut(BaseModel):
    """How long each side has spoken."""

    caller: float
    bot: float


class UsageOut(BaseModel):
    """What the call has used so far. `partial`: there is no final report, so the bot may have used more.

    `services` breaks `models` down by the class of the service, as far as the bot says which it was.
    """

    models: dict[str, ModelUsageOut]
    services: dict[str, ServiceUsageOut]
    turns: int
    interruptions: int
    tool_calls: dict[str, ToolCallsOut]
    talk_seconds: TalkSecondsOut
    partial: bool


def _services(usage: Usage) -> dict[str, ServiceUsageOut]:
    services: dict[str, ServiceUsageOut] = {}
    for (service, model), used in by_service(usage).items():
        if service is not None:
            of_service = services.setdefault(service, ServiceUsageOut(models={}))
            of_service.models[model] = ModelUsageOut.model_validate(used)
    return services


class CostOut(BaseModel):
    """What the usage costs by the operator's price file, at the prices of the day it was accepted.

    `services` breaks `amount` down by service, as far as that is known. `unpriced_models` were used in a way
    that has no price in the file, and no amount includes it.
    """

    model_config = ConfigDict(from_attributes=True)

    currency: str
    amount: float
    models: dict[str, float]
    services: dict[str, float]
    unpriced_models: list[str]

    @classmethod
    def of(cls, session: Session, prices: PriceList | None) -> Self | None:
        if prices is None:
            return None
        cost = prices.cost(session.agent, session.usage, session.timeline.accepted.date())
        return cls.model_validate(cost)


class BudgetOut(BaseModel):
    """The most that the session may use before it ends as `budget_spent`; null if there is no limit."""

    model_config = ConfigDict(from_attributes=True)

    tokens: int | None
    cost: float | None


class DiagnosticsOut(BaseModel):
    """For a failed session: warnings about its bot and the tail of its log, oldest first."""

    model_config = ConfigDict(from_attributes=True)

    events: list[str]
    log: list[str]


class SessionOut(BaseModel):
    """A session in its current state.

    Once it has ended, `message` tells the operator what happened and what to do, and `caller_message` is a
    sentence that may be shown or read to the caller.
    `turns_unanswered` counts the times that the caller was owed an answer and had not heard it: after a turn,
    the greeting or a tool's result. Most are answered after all, because the bot asks again and reconnects.
    `agent_version` is the version of the agent's definition that it was accepted with.
    """

    id: str
    user_id: str
    agent: str
    agent_version: str | None
    phase: Phase
    reason: Reason | None
    message: str | None
    caller_message: str | None
    room: RoomOut
    timeline: TimelineOut
    usage: UsageOut
    turns_unanswered: int
    cost: CostOut | None
    persona: str | None
    max_duration_seconds: int
    budget: BudgetOut
    created_at: datetime
    metadata: dict[str, Any]
    diagnostics: DiagnosticsOut | None

    @classmethod
    def of(
        cls,
        session: Session,
        prices: PriceList | None,
        caller_token: str | None = None,
        ice_servers: list[IceServerOut] | None = None,
    ) -> Self:
        usage = msgspec.to_builtins(session.usage)
        turns_unanswered = usage.pop("turns_unanswered")
        usage["services"] = _services(session.usage)
        return cls(
            id=session.id,
            user_id=session.user_id,
            agent=session.agent,
            agent_version=session.agent_version,
            phase=session.phase,
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
            usage=UsageOut(**usage, partial=session.usage_is_partial),
            turns_unanswered=turns_unanswered,
            cost=CostOut.of(session, prices),
            persona=session.persona,
            max_duration_seconds=session.max_duration_seconds,
            budget=BudgetOut.model_validate(session.budget),
            created_at=session.timeline.accepted,
            metadata=session.metadata,
            diagnostics=DiagnosticsOut.model_validate(session.diagnostics) if session.diagnostics else None,
        )


class SessionPage(BaseModel):
    """Sessions, newest first. `next_cursor` leads to older ones; null if there are none."""

    sessions: list[SessionOut]
    next_cursor: str | None
