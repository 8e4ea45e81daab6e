"""The versions of all agents in one ConfigMap, so that they survive the controller."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Final

from controller.agents.cluster.source import Source
from controller.agents.cluster.version_records import decode_agent, encode_versions, shortened, why_unread
from controller.agents.versions import Versions
from controller.core.errors import InvalidRequest
from controller.core.primitives.backoff import RetryWait
from controller.core.primitives.flag import Flag
from controller.runtimes.kubernetes.client.errors import ApiError
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient

log = logging.getLogger("podline.agents")

CONFIG_MAP: Final = "podline-agents"
"""Part of deploy/base, because the controller may create none. It has a key for each agent."""

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0

_FULL: Final = (
    f"The ConfigMap {CONFIG_MAP} has no room for another definition: remove an agent that was deployed "
    "through the API, or deploy shorter files."
)


_OF_ANOTHER_RELEASE: Final = (
    f"The ConfigMap {CONFIG_MAP} has the agent's versions as another release of Podline wrote them: run "
    "that release, or remove the agent's entry."
)


class VersionStore:
    """Loads all versions once, and writes those that have changed.

    Attributes:
        not_ready_reason: why the versions are not known yet; None if they are.
    """

    def __init__(self, client: NamespaceClient, rng: random.Random) -> None:
        self.not_ready_reason: str | None = "Their versions have not been read yet."
        self._client = client
        self._backoff = RetryWait(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, rng)
        self._texts: dict[str, str] = {}
        """What the ConfigMap has once all is written."""
        self._unwritten: dict[str, str | None] = {}
        self._changed = Flag()
        # One write at a time: the API server may carry out two in any order.
        self._writing = asyncio.Lock()

    def put(self, name: str, versions: Versions, source: Source | None) -> None:
        """Have an agent's versions written, and what was deployed through the API. Returns at once.

        Of an agent that never had a version or a deployment, nothing is kept.
        """
        text = self._text(name, versions, source)
        if text is None and name not in self._texts:
            return
        try:
            changed = self._with(name, text)
        except InvalidRequest as error:
            log.warning("agent versions not kept", extra={"agent": name, "problem": str(error)})
            return
        self._keep(changed)
        self._unwritten |= changed
        self._changed.wake()

    async def write(self, name: str, versions: Versions, source: Source | None) -> None:
        """Write an agent's versions and what was deployed through the API.

        Raises:
            InvalidRequest: there is no room for them, or another release has to write them.
            ApiError: they could not be written. If they were nevertheless, they are replaced later.
        """
        async with self._writing:
            changed = self._with(name, self._text(name, versions, source))
            try:
                await self._client.patch_config_map(CONFIG_MAP, {"data": changed})
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
                    self._texts = dict(found.data)
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
            try:
                async with self._writing:
                    writing = dict(self._unwritten)
                    await self._client.patch_config_map(CONFIG_MAP, {"data": writing})
            except ApiError as error:
                log.warning("agent versions not written", extra={"error": str(error)})
                failures += 1
                await asyncio.sleep(self._backoff.pause(failures))
                continue
            failures = 0
            for name, text in writing.items():
                if name in self._unwritten and self._unwritten[name] == text:
                    del self._unwritten[name]

    def _text(self, name: str, versions: Versions, source: Source | None) -> str | None:
        """Return an agent's record; None if there is nothing to keep."""
        is_of_api = source is not None and source.config_map is None
        if not is_of_api and versions.next_serial == 1:
            return None
        return encode_versions(versions, source, self._texts.get(name))

    def _with(self, name: str, text: str | None) -> dict[str, str | None]:
        """Return what has to be written so that the store has this text.

        Raises:
            InvalidRequest: it can't have it.
        """
        if name in self._texts and why_unread(self._texts[name]) is not None:
            raise InvalidRequest(_OF_ANOTHER_RELEASE)
        if text is None:
            return {name: None}
        shorter = shortened({**self._texts, name: text})
        if shorter is None:
            raise InvalidRequest(_FULL)
        return {name: text, **shorter}

    def _keep(self, changed: Mapping[str, str | None]) -> None:
        for name, text in changed.items():
            if text is None:
                self._texts.pop(name, None)
            else:
                self._texts[name] = text
