"""A source of agents that a test names."""

from __future__ import annotations

from collections.abc import Sequence

from controller.agents.built_in import BuiltInAgents
from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion


class NamedAgents(BuiltInAgents):
    """The built-in agent and some others. `definitions` may change at any time."""

    def __init__(self, *definitions: AgentDefinition) -> None:
        self.definitions = {each.name: each for each in definitions}

    def current(self, name: str) -> AgentVersion:
        if (definition := self.definitions.get(name)) is not None:
            return AgentVersion(definition=definition, serial=1)
        return super().current(name)

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        if name in self.definitions and self.current(name).id == version_id:
            return self.current(name)
        return super().version(name, version_id)

    def all(self) -> Sequence[AgentStatus]:
        named = [AgentStatus(name=name, version=self.current(name)) for name in self.definitions]
        return sorted([*named, *super().all()], key=lambda each: each.name)
