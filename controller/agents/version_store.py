"""The versions of all agents in one ConfigMap, so that they survive the controller."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime
from typing import Any, Final

import msgspec

from controller.agents.source import Source
from controller.agents.versions import KEPT, Versions
from controller.core.agents import AgentDefinition, AgentVersion
from controller.core.primitives.backoff import RetryWait
from controller.core.primitives.flag import Flag
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.agents")

CONFIG_MAP: Final = "podline-agents"
"""Part of deploy/base, because the controller may create none. It has a key for each agent."""

MOST_BYTES: Final = 64 * 1024
"""Of one agent's versions; the oldest are left out first."""

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0


class _Version(msgspec.Struct, frozen=True, omit_defaults=True):
    serial: int
    definition: dict[str, Any]
    files: dict[str, str] = {}
    at: datetime | None = None


class _Deployed(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was deployed last through the API."""

    files: dict[str, str]
    redeploy: str = ""
    rollback: str | None = None


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agent's versions. Of an agent that is gone only the next serial number stays."""

    next: int
    deployment: str | None = None
    versions: list[_Version] = []
    deployed: _Deployed | None = None


class VersionStore:
    """Loads all versions once, and writes those that have changed.

    Attributes:
        not_ready_reason: why the versions are not known yet; None if they are.
    """

    def __init__(self, client: NamespaceClient, rng: random.Random) -> None:
        self.not_ready_reason: str | None = "Their versions have not been read yet."
        self._client = client
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._unwritten: dict[str, str] = {}
        self._changed = Flag()

    def put(self, name: str, versions: Versions, source: Source | None) -> None:
        """Have an agent's versions written, and what was deployed through the API. Returns at once."""
        self._unwritten[name] = encode_versions(versions, source)
        self._changed.wake()

    async def write(self, name: str, versions: Versions, source: Source | None) -> None:
        """Write an agent's versions and what was deployed through the API. Raises ApiError."""
        await self._client.patch_config_map(CONFIG_MAP, {"data": {name: encode_versions(versions, source)}})
        self._unwritten.pop(name, None)

    def remove(self, name: str, versions: Versions) -> None:
        """Have an agent's versions removed, except for the next serial number. Returns at once."""
        self.put(name, Versions(next_serial=versions.next_serial), None)

    async def load(self) -> dict[str, tuple[Versions, Source | None]]:
        """Return the versions of each agent, and what was deployed through the API.

        It takes as long as the cluster takes to answer.
        """
        failures = 0
        while True:
            try:
                found = await self._client.find_config_map(CONFIG_MAP)
            except ApiError as error:
                reason = str(error)
            else:
                if found is not None:
                    self.not_ready_reason = None
                    stored = ((name, decode_agent(name, text)) for name, text in found.data.items())
                    return {name: agent for name, agent in stored if agent is not None}
                reason = f"There is no ConfigMap {CONFIG_MAP}: apply deploy/base, which it is part of."
            if reason != self.not_ready_reason:
                log.warning("agent versions not read", extra={"error": reason})
            self.not_ready_reason = reason
            failures += 1
            await asyncio.sleep(self._backoff.pause(failures))

    async def run(self) -> None:
        """Write what has changed, for as long as this is awaited. What can't be written is tried again."""
        failures = 0
        while True:
            if not self._unwritten:
                await self._changed.wait()
                continue
            writing = dict(self._unwritten)
            try:
                await self._client.patch_config_map(CONFIG_MAP, {"data": writing})
            except ApiError as error:
                log.warning("agent versions not written", extra={"error": str(error)})
                failures += 1
                await asyncio.sleep(self._backoff.pause(failures))
                continue
            failures = 0
            for name, text in writing.items():
                if self._unwritten.get(name) == text:
                    del self._unwritten[name]


def encode_versions(versions: Versions, source: Source | None = None) -> str:
    """Return an agent's versions as text, without the oldest if that would be too much.

    Args:
        versions: of the agent.
        source: of its definition. An operator's ConfigMap is not repeated here.
    """
    kept = [
        _Version(each.serial, each.definition.given(), dict(each.files), each.deployed_at)
        for each in versions.kept
    ]
    deployed = None
    if source is not None and source.config_map is None:
        deployed = _Deployed(dict(source.files), source.redeploy, source.rollback)
    while True:
        record = _Record(versions.next_serial, versions.deployment, kept, deployed)
        text = msgspec.json.encode(record)
        if len(text) <= MOST_BYTES or len(kept) <= 1:
            return text.decode()
        kept = kept[1:]


def decode_agent(name: str, text: str) -> tuple[Versions, Source | None] | None:
    """Return the versions of an agent and its source; None if somebody changed them beyond recognition."""
    try:
        record = msgspec.json.decode(text, type=_Record)
        kept = [
            AgentVersion(
                definition=msgspec.convert(each.definition, AgentDefinition),
                serial=each.serial,
                files=each.files,
                deployed_at=each.at,
            )
            for each in record.versions[-KEPT:]
        ]
        if any(each.name != name for each in kept):
            raise msgspec.ValidationError("another agent's")
    except (msgspec.MsgspecError, RecursionError):
        log.warning("agent versions not understood", extra={"agent": name})
        return None
    versions = Versions(record.next, kept=kept, deployment=record.deployment)
    deployed = record.deployed
    if deployed is None:
        return versions, None
    files, redeploy, rollback = deployed.files, deployed.redeploy, deployed.rollback
    return versions, Source(agent=name, files=files, redeploy=redeploy, rollback=rollback)
