"""Warm bots: launched ahead of time for an agent's version, without a session, until a start claims one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from controller.core.agents import AgentVersion

GivenTo: TypeAlias = Callable[[AgentVersion], str]
"""Returns what stands for all that bots of a version are given besides it: another text once that changes.

Nothing secret can be learned from the text.
"""


def given_nothing(_agent: AgentVersion) -> str:
    """Implement `GivenTo` where that never changes while bots wait."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmBot:
    """A bot that was launched without a session, and waits for one.

    Attributes:
        launch_id: random; the bot's token is bound to it, and a session that claims the bot takes it over.
        agent: the name of its agent.
        agent_version: the id of the version that it was launched from.
        created: when it was launched.
        given: what stood for all else that it was given, then: see `GivenTo`.
    """

    launch_id: str
    agent: str
    agent_version: str
    created: datetime
    given: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmLaunch:
    """One warm bot to start.

    Attributes:
        bot: what it is, so that a runtime can store it.
        agent: the version that it is launched from.
        environment: variables anyone may read.
        secrets: variables that only the bot may read.
        deadline_seconds: how long it may exist at most, from the launch on, unless it is claimed.
    """

    bot: WarmBot
    agent: AgentVersion
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)
    deadline_seconds: float
