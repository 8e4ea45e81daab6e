"""Agents: their definitions, the versions of these, and the Protocol of a source of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

DEFAULT_AGENT: Final = "shopping"
"""The agent of a fresh install, and of a request that names none: the assistant in `bot/`."""

RoomKind = Literal["daily", "livekit", "webrtc"]
ROOM_KINDS: Final[tuple[RoomKind, ...]] = ("daily", "livekit", "webrtc")

Redaction = Literal["none", "values", "all"]
"""What is left out of a call's activity: nothing, what was said and what tools were given, or all of it."""

_ID_DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodbyeRule:
    """How a bot ends a call politely. With neither sentence it says nothing.

    Attributes:
        request: what the bot's model is asked to do.
        sentence: what the bot's speech synthesis says.
    """

    request: str | None = None
    sentence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDefinition:
    """What an operator says of an agent. Where it says nothing, the operator's settings apply.

    Attributes:
        name: of the agent.
        image: of its container; None for the Job template's. Only in a cluster, like the next three.
        image_credentials: the name of the Secret to pull the image with.
        cpu: a Kubernetes quantity.
        memory: likewise.
        architecture: of the nodes that can run it.
        secret_set: the name of the variables that its bots and no others get.
        min_agents: warm bots to keep.
        max_agents: the most sessions at the same time; None for no limit of its own.
        sessions_per_user: the most sessions of one user at the same time; None likewise.
        max_session_duration: the longest session, in seconds; None for the installation's.
        file: the bot's file, relative to its directory; None for the runner's own search.
        python: the interpreter: a path, or a name on the PATH; None for ours or the image's.
        rooms: the kinds of rooms that its bot supports.
        buffer: warm bots to keep above those in use; `auto` computes it.
        preload: True if its bot may be imported before its session is known.
        budget_tokens: the budget of a session that asks for none; None for the installation's.
        budget_cost: likewise, as an amount of money.
        max_budget_tokens: the largest that a request may ask for; None for budget_tokens.
        max_budget_cost: likewise.
        idle_seconds: how long both sides may be silent; None for the installation's.
        no_caller_seconds: how long a bot waits for its caller; None likewise.
        mute_seconds: how long a caller who is owed an answer may hear nothing; 0 for bots that are silent by
            design; None likewise.
        goodbye: how its bot ends a call politely; None for the runner's own way.
        activity: what is left out of its calls' activity.
        job: a patch of the Job template.
        panel: the name of the panel that the page shows for it: NAME.html beside its definition; or None.
    """

    name: str
    image: str | None = None
    image_credentials: str | None = None
    cpu: str | None = None
    memory: str | None = None
    architecture: Literal["amd64", "arm64"] | None = None
    secret_set: str | None = None
    min_agents: int = 0
    max_agents: int | None = None
    sessions_per_user: int | None = None
    max_session_duration: int | None = None
    file: str | None = None
    python: str | None = None
    rooms: tuple[RoomKind, ...] = ROOM_KINDS
    buffer: int | Literal["auto"] = 0
    preload: bool = True
    budget_tokens: int | None = None
    budget_cost: float | None = None
    max_budget_tokens: int | None = None
    max_budget_cost: float | None = None
    idle_seconds: float | None = None
    no_caller_seconds: float | None = None
    mute_seconds: float | None = None
    goodbye: GoodbyeRule | None = None
    activity: Redaction = "none"
    job: Mapping[str, Any] = field(default_factory=dict)
    panel: str | None = None

    def given(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON values."""
        default = AgentDefinition(name="")
        values = asdict(self)
        return {
            each.name: values[each.name]
            for each in fields(self)
            if getattr(self, each.name) != getattr(default, each.name)
        }

    @property
    def hash(self) -> str:
        """SHA-256 of all that is given. A release that adds a key changes no hash."""
        return hashlib.sha256(json.dumps(self.given(), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVersion:
    """A definition as it was deployed. A forced redeploy and a rollback have a serial number of their own.

    Attributes:
        definition: what was deployed.
        serial: the number of the deployment.
        files: the content of the files that it was read from, by their names, as far as they are kept.
        deployed_at: when it became active; None if that is not known.
    """

    definition: AgentDefinition
    serial: int
    files: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    deployed_at: datetime | None = field(default=None, compare=False)

    @property
    def is_of_api(self) -> bool:
        """Whether it was deployed through the API: then its files are kept."""
        return bool(self.files)

    @property
    def name(self) -> str:
        """The agent's."""
        return self.definition.name

    @property
    def id(self) -> str:
        """The serial number and the beginning of the definition's hash."""
        return f"{self.serial}-{self.definition.hash[:_ID_DIGITS]}"


BUILT_IN: Final = AgentVersion(definition=AgentDefinition(name=DEFAULT_AGENT, panel="products"), serial=1)
"""The assistant in `bot/`, as it is without any definition."""


Preflight = Callable[[AgentVersion], str | None]
"""Returns why each bot of an agent would fail, as a sentence; None if nothing is known to be missing."""


def no_preflight(_agent: AgentVersion) -> None:
    """Implement `Preflight` where nobody knows what bots have: a cluster's Secrets are not ours to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """An agent as its source has it right now. With neither version nor problem, it is gone.

    Attributes:
        name: of the agent.
        version: the active version; None if it never had a valid one.
        problem: what is wrong with the latest definition, as a sentence with file, key and remedy.
        notes: keys of the active version that have no effect here, a sentence each.
        panel: the HTML of its panel, if it has one.
        defined_by: the file, directory or ConfigMap to change; None if it was deployed through the API.
        deploying: the version that is being started dry, to become the active one; None if none is.
    """

    name: str
    version: AgentVersion | None = None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    panel: str | None = field(default=None, repr=False, compare=False)
    defined_by: str | None = None
    deploying: AgentVersion | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryStartOutcome:
    """How a start of an agent's bot without a call ended.

    Attributes:
        problem: why no call could begin, as a sentence with the bot's own error; None if one could.
        note: what may be missing in a call, as a sentence.
        may_pass: the problem is the cluster's and not the bot's, so that another start may end well.
    """

    problem: str | None = None
    note: str | None = None
    may_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHome:
    """Where an agent of this machine lives.

    Attributes:
        directory: of its bot.
        secret_set: the variables that its bots get, and no other's.
    """

    directory: Path
    secret_set: Mapping[str, str] = field(default_factory=dict, repr=False)


class Agents(Protocol):
    """A source of agents: files, or the ConfigMaps of a cluster."""

    def current(self, name: str) -> AgentVersion:
        """Return the active version of an agent.

        Raises:
            AgentNotFound: there is none of this name.
            AgentInvalid: it never had a valid definition.
        """

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        """Return one of the last versions of an agent; None if it is not kept or never existed."""

    def versions(self, name: str) -> Sequence[AgentVersion]:
        """Return the versions of an agent that are kept, the active one last."""

    def all(self) -> Sequence[AgentStatus]:
        """Return all agents by name, those without a valid definition included."""

    def not_ready_reason(self) -> str | None:
        """Return why agents are not known right now, as a sentence; None if they are."""

    def watch(self) -> AsyncGenerator[AgentStatus, None]:
        """Follow the source, and yield each agent that has changed, until the generator is closed."""


class AgentEditor(Protocol):
    """Changes agents that are deployed through the API.

    Each method raises AgentDefinedByFile if the agent has to be changed elsewhere, AgentNotFound if there is
    none, and RuntimeUnavailable if the change can't be stored right now.
    """

    async def deploy(
        self, name: str, files: Mapping[str, str], *, again: bool, may_choose_secrets: bool = True
    ) -> None:
        """Store what is to become the agent's next version, once its bot has started dry.

        Args:
            name: of the agent, which may not exist yet.
            files: the content of its files by their names.
            again: deploy it even if it is what the active version was made of.
            may_choose_secrets: False if it may name only the secret sets that the active version names.

        Raises:
            InvalidRequest: the definition can't be used.
            Forbidden: it names other secret sets.
        """

    async def roll_back(self, name: str, version_id: str | None) -> None:
        """Make a version active that was active before. None is the one before the active one.

        Raises:
            VersionNotFound: it is not kept.
        """

    async def remove(self, name: str) -> None:
        """Remove an agent. Its calls go on."""
