"""The versions of all agents in one ConfigMap, so that they survive the controller."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Final

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt

from controller.agents.cluster.shared_config_map import SharedConfigMap, is_conflict
from controller.agents.cluster.source import Source
from controller.agents.cluster.version_records import decode_agent, encode_versions, shortened
from controller.agents.versions import Versions
from controller.core.errors import InvalidRequest, RuntimeUnavailable
from controller.core.primitives.backoff import RetryWait
from controller.core.primitives.flag import Flag
from controller.runtimes.kubernetes.client.errors import ApiError, ApiUnreachable
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.agents")

CONFIG_MAP: Final = "podline-agents"
"""Part of deploy/base, because the controller may create none. It has a key for each agent."""

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
_MOST_ATTEMPTS: Final = 4
"""How often a deployment is written if others write at the same time."""

_MISSING: Final = f"There is no ConfigMap {CONFIG_MAP}: apply deploy/base, which it is part of."
_FULL: Final = (
    f"The ConfigMap {CONFIG_MAP} has no room for another definition: remove an agent that was deployed "
    "through the API, or deploy shorter files."
)
_CHANGED: Final = "Another controller has changed this agent meanwhile. Look at it, and try again."

Stored = tuple[Versions, Source | None]
"""The versions of an agent, and what was deployed through the API."""


class VersionStore:
    """Loads all versions once, and writes those that have changed.

    A former controller may write until this one has. Then its records replace those that are known here.

    Attributes:
        not_ready_reason: why the versions are not known yet; None if they are.
    """

    def __init__(self, client: NamespaceClient, rng: random.Random) -> None:
        self.not_ready_reason: str | None = "Their versions have not been read yet."
        self._map = SharedConfigMap(client, CONFIG_MAP)
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._texts: dict[str, str] = {}
        """What the ConfigMap has once all is written."""
        self._unwritten: dict[str, str | None] = {}
        self._in_doubt: list[Mapping[str, str | None]] = []
        """What may have been written."""
        self._replaced: dict[str, Stored] = {}
        self._changed = Flag()
        self._was_replaced = Flag()
        # One write at a time: the API server may carry out two in any order.
        self._writing = asyncio.Lock()

    def put(self, name: str, versions: Versions, source: Source | None) -> None:
        """Have an agent's versions written, and what was deployed through the API. Returns at once.

        Of an agent that never had a version or a deployment, nothing is kept.
        """
        text = _text(versions, source)
        if name in self._replaced or (text is None and name not in self._texts):
            return
        changed = self._with(name, text)
        if changed is None:
            log.warning("agent versions not kept", extra={"agent": name, "problem": _FULL})
            return
        self._keep(changed)
        self._unwritten |= changed
        self._changed.wake()

    async def write(self, name: str, versions: Versions, source: Source | None) -> None:
        """Write an agent's versions and what was deployed through the API.

        Raises:
            InvalidRequest: there is no room for them.
            RuntimeUnavailable: another controller has changed this agent.
            ApiError: they could not be written. If they were nevertheless, they are replaced later.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception(is_conflict), stop=stop_after_attempt(_MOST_ATTEMPTS), reraise=True
        )
        async with self._writing:
            await retrying(self._write, name, _text(versions, source))

    async def _write(self, name: str, text: str | None) -> None:
        if name in self._replaced:
            raise RuntimeUnavailable(_CHANGED)
        changed = self._with(name, text)
        if changed is None:
            raise InvalidRequest(_FULL)
        try:
            await self._send(changed)
        except ApiError as error:
            if not error.is_certain:
                self._unwritten |= {each: self._texts.get(each) for each in changed}
                self._changed.wake()
            raise
        self._keep(changed)
        for each in changed:
            self._unwritten.pop(each, None)

    def remove(self, name: str, versions: Versions) -> None:
        """Have an agent's versions removed, except for the next serial number. Returns at once."""
        self.put(name, Versions(next_serial=versions.next_serial), None)

    async def load(self) -> dict[str, Stored]:
        """Return what is stored of each agent. It takes as long as the cluster takes to answer."""
        failures = 0
        while True:
            try:
                exists = await self._map.read()
            except ApiError as error:
                reason = str(error)
            else:
                if exists:
                    self.not_ready_reason = None
                    self._texts = dict(self._map.data)
                    stored = ((name, decode_agent(name, text)) for name, text in self._texts.items())
                    return {name: agent for name, agent in stored if agent is not None}
                reason = _MISSING
            if reason != self.not_ready_reason:
                log.warning("agent versions not read", extra={"error": reason})
            self.not_ready_reason = reason
            failures += 1
            await asyncio.sleep(self._backoff.pause(failures))

    async def replaced(self) -> None:
        """Wait until another controller has changed an agent. Nothing is written of it before `replacements`."""
        while not self._replaced:
            await self._was_replaced.wait()

    def replacements(self) -> dict[str, Stored]:
        """Return what another controller has stored of each agent that it has changed, once."""
        replaced, self._replaced = self._replaced, {}
        return replaced

    async def run(self) -> None:
        """Write what has changed, for as long as this is awaited. What can't be written is tried again.

        The first write is made even if nothing has changed: see `SharedConfigMap.is_claimed`.
        """
        failures = 0
        while True:
            if self._map.is_claimed and not self._unwritten:
                await self._changed.wait()
                continue
            try:
                async with self._writing:
                    writing = dict(self._unwritten)
                    await self._send(writing)
            except ApiError as error:
                log.warning("agent versions not written", extra={"error": str(error)})
                failures += 1
                await asyncio.sleep(self._backoff.pause(failures))
                continue
            failures = 0
            for name, text in writing.items():
                if name in self._unwritten and self._unwritten[name] == text:
                    del self._unwritten[name]

    async def _send(self, changed: Mapping[str, str | None]) -> None:
        """Write records. After a conflict, those of another controller have replaced ours. Raises ApiError."""
        try:
            await (self._map.write(changed) if changed else self._map.claim())
        except ApiError as error:
            if not error.is_certain:
                self._in_doubt.append(changed)
            if is_conflict(error):
                await self._reload()
            raise
        self._in_doubt.clear()

    async def _reload(self) -> None:
        """Read what another controller has written."""
        before = self._map.data
        if not await self._map.read():
            raise ApiUnreachable(_MISSING, is_certain=True)
        for name, text in self._map.data.items():
            ours = [before.get(name), self._texts.get(name), *(each.get(name) for each in self._in_doubt)]
            theirs = decode_agent(name, text) if text not in ours else None
            if theirs is not None:
                log.warning("agent changed by another controller", extra={"agent": name})
                self._texts[name] = text
                self._unwritten.pop(name, None)
                self._replaced[name] = theirs
        # A controller that removes an agent leaves its serial number. So somebody has lost these.
        self._unwritten = {
            name: text for name, text in self._texts.items() if name not in self._map.data
        } | self._unwritten
        # Whatever was sent before can't take effect any more: the version is another one.
        self._in_doubt.clear()
        self._was_replaced.wake()

    def _with(self, name: str, text: str | None) -> dict[str, str | None] | None:
        """Return what has to be written so that the store has this text; None if it can't have it."""
        if text is None:
            return {name: None}
        shorter = shortened({**self._texts, name: text})
        return None if shorter is None else {name: text, **shorter}

    def _keep(self, changed: Mapping[str, str | None]) -> None:
        for name, text in changed.items():
            if text is None:
                self._texts.pop(name, None)
            else:
                self._texts[name] = text


def _text(versions: Versions, source: Source | None) -> str | None:
    """Return an agent's record; None if there is nothing to keep."""
    is_of_api = source is not None and source.config_map is None
    if not is_of_api and versions.next_serial == 1:
        return None
    return encode_versions(versions, source)
