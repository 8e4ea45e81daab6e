"""What the controller's answers hold, as far as commands show it: any text is made safe while it is read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from podline_cli.text import SafeLine, SafeText

_YEARS: Final = range(2000, 9000)


def _plausible(moment: datetime) -> datetime:
    if moment.year not in _YEARS:
        raise ValueError("no session is of this year")
    return moment


Count = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[FiniteFloat, Field(ge=0, le=1e12)]
Moment = Annotated[AwareDatetime, AfterValidator(_plausible)]


class ApiAnswer(BaseModel):
    """Base of all: a later controller may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TimelineAnswer(ApiAnswer):
    """When a session reached each step."""

    accepted: Moment
    launched: Moment | None = None
    scheduled: Moment | None = None
    process_up: Moment | None = None
    joined: Moment | None = None
    caller_joined: Moment | None = None
    first_speech: Moment | None = None
    ended: Moment | None = None

    def reached(self) -> dict[str, datetime]:
        """Return the steps that were reached, in their order."""
        moments = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: moment for name, moment in moments if moment is not None}


class ModelUsageAnswer(ApiAnswer):
    """What one model was used for."""

    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    input_audio_tokens: Count = 0
    output_audio_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    audio_seconds: Amount = 0.0
    characters: Count = 0


class ToolCallsAnswer(ApiAnswer):
    """How often a tool was called, by outcome."""

    ok: Count = 0
    error: Count = 0


class TalkSecondsAnswer(ApiAnswer):
    """How long each side spoke."""

    caller: Amount = 0.0
    bot: Amount = 0.0


class UsageAnswer(ApiAnswer):
    """What a session used."""

    models: dict[SafeText, ModelUsageAnswer] = Field(default_factory=dict)
    turns: Count = 0
    interruptions: Count = 0
    tool_calls: dict[SafeText, ToolCallsAnswer] = Field(default_factory=dict)
    talk_seconds: TalkSecondsAnswer = TalkSecondsAnswer()
    partial: bool = False


class CostAnswer(ApiAnswer):
    """What that costs."""

    currency: SafeText
    amount: Amount
    models: dict[SafeText, Amount] = Field(default_factory=dict)
    unpriced_models: list[SafeText] = Field(default_factory=list)

    @property
    def sum(self) -> str:
        return f"{self.amount:.4f} {self.currency}"


class DiagnosticsAnswer(ApiAnswer):
    """What a failed bot left behind."""

    events: list[SafeText] = Field(default_factory=list)
    log: list[SafeLine] = Field(default_factory=list)


class RoomAnswer(ApiAnswer):
    """Where the caller joins."""

    provider: SafeText = ""


class SessionAnswer(ApiAnswer):
    """A session."""

    id: SafeText
    user_id: SafeText
    agent: SafeText = ""
    agent_version: SafeText | None = None
    phase: SafeText
    reason: SafeText | None = None
    message: SafeText | None = None
    room: RoomAnswer = RoomAnswer()
    timeline: TimelineAnswer
    usage: UsageAnswer = UsageAnswer()
    turns_unanswered: Count = 0
    cost: CostAnswer | None = None
    persona: SafeText | None = None
    diagnostics: DiagnosticsAnswer | None = None

    @property
    def has_ended(self) -> bool:
        return self.timeline.ended is not None

    def lasted(self, now: datetime) -> float:
        """Return for how many seconds it has run; the two machines' clocks may differ."""
        return max(((self.timeline.ended or now) - self.timeline.accepted).total_seconds(), 0)


class VersionAnswer(ApiAnswer):
    """A version of an agent's definition."""

    id: SafeText
    hash: SafeText = ""
    deployed_at: Moment | None = None
    definition: dict[SafeText, object] = Field(default_factory=dict)


class AgentSessionsAnswer(ApiAnswer):
    """How many sessions an agent has."""

    starting: Count = 0
    live: Count = 0
    stopping: Count = 0

    @property
    def total(self) -> int:
        return self.starting + self.live + self.stopping


class WarmBotsAnswer(ApiAnswer):
    """An agent's warm bots, which wait for calls."""

    wanted: Count = 0
    ready: Count = 0
    starting: Count = 0
    in_use: Count = 0
    problem: SafeText | None = None

    @property
    def are_kept(self) -> bool:
        return self.wanted + self.ready + self.starting > 0 or self.problem is not None


class AgentAnswer(ApiAnswer):
    """An agent."""

    name: SafeText
    version: VersionAnswer | None = None
    versions: list[VersionAnswer] = Field(default_factory=list)
    problem: SafeText | None = None
    notes: list[SafeText] = Field(default_factory=list)
    sessions: AgentSessionsAnswer = AgentSessionsAnswer()
    warm: WarmBotsAnswer = WarmBotsAnswer()
    defined_by: SafeText | None = None
    deploying: bool = False

    @property
    def state(self) -> str:
        if self.deploying:
            return "deploying"
        return "invalid" if self.version is None else "ready"


class AgentListAnswer(ApiAnswer):
    """All agents."""

    agents: list[AgentAnswer]


class SecretSetAnswer(ApiAnswer):
    """A secret set, without its values."""

    name: SafeText
    type: SafeText = ""
    updated: Moment | None = Field(default=None, alias="updatedAt")

    @property
    def holds(self) -> str:
        return {"secretSet": "variables", "imagePullSecret": "image credentials"}.get(self.type, self.type)


class SecretSetListAnswer(ApiAnswer):
    """All secret sets."""

    sets: list[SecretSetAnswer]


class SecretAnswer(ApiAnswer):
    """A variable of a secret set, without its value."""

    name: SafeText = Field(alias="fieldName")


class SecretListAnswer(ApiAnswer):
    """All variables of a secret set."""

    secrets: list[SecretAnswer]


class DrainAnswer(ApiAnswer):
    """Whether the controller accepts no more calls, and how many still run."""

    draining: bool
    sessions: Count
