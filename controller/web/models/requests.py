"""Bodies and queries of the routes of web apps."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, PositiveInt, StringConstraints

from controller.web.models.documented import Documented, Strict
from controller.web.models.values import (
    MAX_METADATA_BYTES,
    AgentName,
    BotBody,
    SessionId,
    ShortText,
    UserId,
    at_most,
)
from podline.contract.reasons import Phase

EXAMPLE_OF_A_CURSOR: Final = "MjAyNi0xMS0zMFQwOToxNTowMi40MTgwMDArMDA6MDAgY2FydC03ZjNh"


class ListSessions(Documented):
    """Which sessions to list. Unknown names are refused: a mistyped filter would list all users' sessions."""

    model_config = ConfigDict(extra="forbid")

    phase: Annotated[Phase | None, Field(examples=["live"])] = None
    """Lists only sessions in this phase."""
    user_id: Annotated[str | None, Field(examples=["ana"])] = None
    """Lists only this user's sessions."""
    agent: Annotated[str | None, Field(examples=["shopping"])] = None
    """Lists only sessions with this agent."""
    limit: Annotated[int, Field(ge=1, le=500, examples=[20])] = 100
    """The maximum number of sessions in the response."""
    cursor: Annotated[str | None, Field(examples=[EXAMPLE_OF_A_CURSOR])] = None
    """`next_cursor` of the previous page, unchanged. Leave it out for the first page."""

    def wanted(self) -> dict[str, object]:
        """Return the values that a session's fields must have."""
        filters = {"phase": self.phase, "user_id": self.user_id, "agent": self.agent}
        return {name: value for name, value in filters.items() if value is not None}


class ReadLogs(Documented):
    """How to read a log."""

    model_config = ConfigDict(extra="forbid")

    follow: Annotated[bool, Field(examples=[True])] = False
    """Keeps the response open and sends lines as the bot writes them, until it is gone."""


class OwnRoom(Strict):
    """A room that the web app created with the installation's room provider."""

    url: ShortText
    """The room's address. It must belong to the provider that the controller is set up with."""
    token: ShortText
    """The token with which the bot joins. The caller needs another one, which the web app issues."""


class BudgetRequest(Strict):
    """The most that the session may use. A limit that is left out is the operator's default."""

    tokens: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Prompt and completion tokens of all models together."""
    cost: Annotated[float, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)] | None = None
    """An amount in the currency of the operator's price file. Refused if the controller has no prices."""


class StartSession(Strict):
    """A request for a session."""

    user_id: UserId
    """The user whom the session is for, as the web app calls them. Limits per user count by it, and tools
    act for it."""
    agent: AgentName | None = None
    """The agent to talk to. Left out, it is the key's only agent or, if the key has several, the controller's
    default."""
    body: BotBody = None
    """Any JSON for the bot, which receives it as `runner_args.body`. At most 16 KB; no response shows it."""
    session_id: SessionId | None = None
    """An id of your choice, which makes the request safe to repeat: the same id with the same request
    returns the same session, with another request it is refused. Left out, the controller makes one."""
    room: OwnRoom | None = None
    """A room that the web app has already created. Left out, the controller creates one."""
    max_duration_seconds: PositiveInt | None = None
    """The longest that the call may last, up to the operator's limit, which is also the default."""
    budget: BudgetRequest | None = None
    """The most that the session may use before it ends as `budget_spent`."""
    persona: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    """The name of one of the operator's personas: what the bot is told about itself."""
    metadata: Annotated[dict[str, Any], AfterValidator(at_most(MAX_METADATA_BYTES))] = Field(
        default_factory=dict
    )
    """Any JSON object for the web app itself: each response about the session returns it. At most 4 KB."""
