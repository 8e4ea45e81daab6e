"""The agent of a controller without any definition: the assistant in `bot/`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from controller.core.agents import BUILT_IN, AgentStatus, AgentVersion
from controller.core.errors import AgentNotFound

_PANEL: Final = Path(__file__).parents[2] / "bot" / f"{BUILT_IN.definition.panel}.html"


DEFINED_BY: Final = "bot/bot.py of Podline"


class BuiltInAgents:
    """Implements `Agents` with one agent that never changes."""

    def current(self, name: str) -> AgentVersion:
        if name != BUILT_IN.name:
            raise AgentNotFound(name)
        return BUILT_IN

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        return BUILT_IN if (name, version_id) == (BUILT_IN.name, BUILT_IN.id) else None

    def versions(self, name: str) -> Sequence[AgentVersion]:
        return [BUILT_IN] if name == BUILT_IN.name else []

    def all(self) -> Sequence[AgentStatus]:
        return [AgentStatus(name=BUILT_IN.name, version=BUILT_IN, panel=self._panel, defined_by=DEFINED_BY)]

    def not_ready_reason(self) -> str | None:
        return None

    async def watch(self) -> AsyncGenerator[AgentStatus, None]:
        for status in self.all():
            yield status
        await asyncio.Event().wait()

    @cached_property
    def _panel(self) -> str:
        return _PANEL.read_text(encoding="utf-8")
