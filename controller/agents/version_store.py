"""The versions of all agents in one ConfigMap, so that they survive the controller."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, Final

import msgspec

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


class _Version(msgspec.Struct, frozen=True):
    serial: int
    definition: dict[str, Any]


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One agent's versions. Of an agent that is gone only the next serial number stays."""

    next: int
    deployment: str | None = None
    versions: list[_Version] = []


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

    def put(self, name: str, versions: Versions) -> None:
        """Have an agent's versions written. Returns at once."""
        self._unwritten[name] = encode_versions(versions)
        self._changed.wake()

    def remove(self, name: str, versions: Versions) -> None:
        """Have an agent's versions removed, except for the next serial number. Returns at once."""
        self.put(name, Versions(next_serial=versions.next_serial))

    async def load(self) -> dict[str, Versions]:
        """Return what is stored, by agent, however long it takes until the cluster answers."""
        failures = 0
        while True:
            try:
                found = await self._client.find_config_map(CONFIG_MAP)
            except ApiError as error:
                reason = str(error)
            else:
                if found is not None:
                    self.not_ready_reason = None
                    stored = ((name, decode_versions(name, text)) for name, text in found.data.items())
                    return {name: versions for name, versions in stored if versions is not None}
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
                if self._unwritten[name] == text:
                    del self._unwritten[name]


def encode_versions(versions: Versions) -> str:
    """Return an agent's versions as text, without the oldest if that would be too much."""
    kept = [_Version(each.serial, each.definition.given()) for each in versions.kept]
    while True:
        record = _Record(next=versions.next_serial, deployment=versions.deployment, versions=kept)
        text = msgspec.json.encode(record)
        if len(text) <= MOST_BYTES or len(kept) <= 1:
            return text.decode()
        kept = kept[1:]


def decode_versions(name: str, text: str) -> Versions | None:
    """Return the versions of an agent; None if somebody changed them beyond recognition."""
    try:
        record = msgspec.json.decode(text, type=_Record)
        kept = [
            AgentVersion(definition=msgspec.convert(each.definition, AgentDefinition), serial=each.serial)
            for each in record.versions[-KEPT:]
        ]
        if any(each.name != name for each in kept):
            raise msgspec.ValidationError("another agent's")
    except (msgspec.MsgspecError, RecursionError):
        log.warning("agent versions not understood", extra={"agent": name})
        return None
    return Versions(record.next, kept=kept, deployment=record.deployment)
