"""The log of agents: which versions are being started and became active, and what can't be used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing

from controller.core.agents import Agents

log = logging.getLogger("podline.agents")


async def log_changes(agents: Agents, deployed: Callable[[str], None]) -> None:
    """Follow a source of agents for as long as this is awaited, and log each change.

    `deployed` is called with the name of each agent that has an active version.
    """
    async with aclosing(agents.watch()) as changes:
        async for status in changes:
            version = status.version.id if status.version is not None else None
            if version is not None:
                deployed(status.name)
            about = {"agent": status.name, "agent_version": version}
            if status.deploying is not None:
                log.info("agent being started dry", extra={**about, "agent_version": status.deploying.id})
            elif status.problem is not None:
                log.warning("agent definition invalid", extra={**about, "problem": status.problem})
            elif version is not None:
                log.info("agent deployed", extra={**about, "notes": list(status.notes)})
            else:
                log.info("agent removed", extra={"agent": status.name})
