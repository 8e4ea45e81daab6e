"""The log of agents says of each change what it is."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from controller.agents.built_in import BuiltInAgents
from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion
from controller.supervision.agent_watch import log_changes

ONE, TWO = (AgentVersion(definition=AgentDefinition(name="clerk"), serial=serial) for serial in (1, 2))


class ChangingAgents(BuiltInAgents):
    """Agents that change as they are told, and then no more."""

    def __init__(self, *changes: AgentStatus) -> None:
        self._changes = changes

    async def watch(self) -> AsyncGenerator[AgentStatus, None]:
        for each in self._changes:
            yield each


async def logged(caplog: pytest.LogCaptureFixture, status: AgentStatus) -> list[tuple[str, str | None]]:
    caplog.set_level("INFO")
    await log_changes(ChangingAgents(status), lambda _name: None)
    return [(each.getMessage(), getattr(each, "agent_version", None)) for each in caplog.records]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (AgentStatus(name="clerk", deploying=ONE), ("agent being started dry", ONE.id)),
        (AgentStatus(name="clerk", version=ONE, deploying=TWO), ("agent being started dry", TWO.id)),
        (AgentStatus(name="clerk", version=TWO), ("agent deployed", TWO.id)),
        (AgentStatus(name="clerk", version=ONE, problem="No."), ("agent definition invalid", ONE.id)),
        (AgentStatus(name="clerk", problem="No."), ("agent definition invalid", None)),
        (AgentStatus(name="clerk"), ("agent removed", None)),
    ],
)
async def test_each_change_is_logged_as_what_it_is(
    caplog: pytest.LogCaptureFixture, status: AgentStatus, said: tuple[str, str | None]
) -> None:
    assert await logged(caplog, status) == [said]
