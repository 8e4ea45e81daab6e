"""Agents and secret sets that the API can't change, because files on this machine define them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from controller.agents.secret_sets import DIRECTORY, InvalidSecretSet, path_of, read_secret_set
from controller.core.agents import Agents
from controller.core.errors import AgentDefinedByFile, AgentNotFound, SecretSetDefinedByFile
from controller.core.secret_sets import SET_PATTERN, SecretSet


class DefinedByFiles:
    """Implements `AgentEditor`. Each refusal names what to change instead."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents

    async def deploy(
        self, name: str, files: Mapping[str, str], *, again: bool, may_choose_secrets: bool = True
    ) -> None:
        del files, again, may_choose_secrets
        known = {each.name: each.defined_by for each in self._agents.all()}
        raise AgentDefinedByFile(name, known.get(name) or "its directory in PODLINE_AGENTS on this machine")

    async def roll_back(self, name: str, version_id: str | None) -> None:
        del version_id
        self._refuse(name)

    async def remove(self, name: str) -> None:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        for each in self._agents.all():
            if each.name == name and each.defined_by is not None:
                raise AgentDefinedByFile(name, each.defined_by)
        raise AgentNotFound(name)


class SecretFiles:
    """Implements `SecretSets`, for reading: on this machine a set is a file."""

    def __init__(self, agents: Path | None) -> None:
        """Read nothing yet. `agents` is the directory of all agents, if there is one."""
        self._agents = agents

    def all(self) -> Sequence[SecretSet]:
        if self._agents is None:
            return []
        found = (self.find(path.stem) for path in sorted((self._agents / DIRECTORY).glob("*.env")))
        return [each for each in found if each is not None]

    def find(self, name: str) -> SecretSet | None:
        if self._agents is None or re.fullmatch(SET_PATTERN, name) is None:
            return None
        path = path_of(self._agents, name)
        try:
            updated = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            return SecretSet(name=name, keys=tuple(read_secret_set(path)), updated=updated)
        except (OSError, InvalidSecretSet):
            return None

    async def put(self, name: str, key: str, value: str) -> None:
        del key, value
        raise SecretSetDefinedByFile(name)

    async def put_image_credentials(self, name: str, registry: str, credentials: str) -> None:
        del registry, credentials
        raise SecretSetDefinedByFile(name)

    async def remove_key(self, name: str, key: str) -> bool:
        del key
        raise SecretSetDefinedByFile(name)

    async def remove(self, name: str) -> bool:
        raise SecretSetDefinedByFile(name)
