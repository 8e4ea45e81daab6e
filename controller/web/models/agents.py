"""Agents as the API shows them, and the requests that change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, StringConstraints

from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.supervision.warm.status import PoolStatus
from controller.web.models.documented import Documented, Strict
from podline.contract.reasons import Phase


class AgentVersionOut(Documented):
    """A version of an agent's definition."""

    id: str
    """The serial number and the first digits of the hash, as in a session's `agent_version`."""
    serial: int
    """The number of the deployment. A forced redeploy and a rollback have a number of their own."""
    hash: str
    """The SHA-256 of the definition: equal definitions have equal hashes."""
    deployed_at: datetime | None
    """When it became active; null if that is not known."""
    definition: dict[str, Any]
    """The keys that the definition gives, without the patch of the Job template, which may hold secrets."""

    @classmethod
    def of(cls, version: AgentVersion) -> Self:
        return cls(
            id=version.id,
            serial=version.serial,
            hash=version.definition.hash,
            deployed_at=version.deployed_at,
            definition=_shown(version.definition),
        )


class AgentSessionsOut(Documented):
    """How many sessions an agent has right now."""

    starting: int
    """Sessions whose bot has not joined yet."""
    live: int
    """Sessions whose bot has joined."""
    stopping: int
    """Sessions whose bot was asked to end and is not confirmed gone."""


class WarmBotsOut(Documented):
    """An agent's warm bots: launched ahead of time, each waits for a session."""

    model_config = ConfigDict(from_attributes=True)

    wanted: int
    """How many should wait now, by the definition's `min_agents` and `buffer`; 0 if the agent keeps none."""
    ready: int
    """How many wait, so that a start would not be cold."""
    starting: int
    """How many are not ready yet."""
    in_use: int
    """How many sessions have a bot, warm or not."""
    problem: str | None
    """Why fewer wait than should; null if nothing is known to be wrong."""


class AgentOut(Documented):
    """An agent: a bot with a name."""

    name: str
    """The agent's name, as in a start's `agent`."""
    version: AgentVersionOut | None
    """The active version; null if the agent never had a valid definition."""
    problem: str | None
    """What is wrong with the latest definition; null if that is the active one."""
    defined_by: str | None
    """The file, directory or ConfigMap that defines the agent and has to be changed instead; null if it
    was deployed through the API."""
    deploying: bool
    """Whether a later definition is being started dry, to become the active version."""
    notes: list[str]
    """A sentence for each key of the active version without effect here, and for what its bot may miss."""
    sessions: AgentSessionsOut
    """How many sessions the agent has right now."""
    warm: WarmBotsOut
    """The warm bots that wait for the agent's sessions."""

    @classmethod
    def of(cls, status: AgentStatus, phases: Mapping[Phase, int], warm: PoolStatus) -> Self:
        return cls(
            name=status.name,
            version=AgentVersionOut.of(status.version) if status.version is not None else None,
            problem=status.problem,
            defined_by=status.defined_by,
            deploying=status.deploying is not None,
            notes=list(status.notes),
            sessions=AgentSessionsOut(
                starting=phases.get(Phase.STARTING, 0),
                live=phases.get(Phase.LIVE, 0),
                stopping=phases.get(Phase.STOPPING, 0),
            ),
            warm=WarmBotsOut.model_validate(warm),
        )


class AgentList(Documented):
    """All agents, by name."""

    agents: list[AgentOut]
    """The agents that the key may know of, also those without a valid definition."""


class AgentDetails(AgentOut):
    """An agent with its versions."""

    versions: list[AgentVersionOut]
    """The versions that are kept, newest first. The first is the active one."""

    @classmethod
    def with_versions(
        cls,
        status: AgentStatus,
        phases: Mapping[Phase, int],
        warm: PoolStatus,
        versions: Sequence[AgentVersion],
    ) -> Self:
        shown = AgentOut.of(status, phases, warm).model_dump()
        return cls(**shown, versions=[AgentVersionOut.of(each) for each in reversed(versions)])


FileContent = Annotated[str, StringConstraints(max_length=16_000)]


class DeployAgent(Strict):
    """A definition to deploy."""

    files: Annotated[
        dict[Literal["pcc-deploy.toml", "podline.toml"], FileContent],
        Field(min_length=1, examples=[{"pcc-deploy.toml": 'image = "registry.example.com/clerk:1.0"'}]),
    ]
    """The content of the agent's files, as they are in a project."""
    redeploy: bool = False
    """Deploys the files even if the active version was made of the same."""


class RollBack(Strict):
    """Which version to return to."""

    version: Annotated[str | None, StringConstraints(max_length=64), Field(examples=["3-1f0c2a9b"])] = None
    """The version's id. Left out, it is the version before the active one."""


def _shown(definition: AgentDefinition) -> dict[str, Any]:
    return {key: value for key, value in definition.given().items() if key != "job"}
