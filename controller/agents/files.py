"""Agents of this machine: a directory with one directory for each."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from controller.agents.built_in import BuiltInAgents
from controller.agents.definitions import (
    MOST_BYTES,
    MOST_PANEL_BYTES,
    InvalidDefinition,
    ReadDefinition,
    read_definition,
)
from controller.agents.secret_sets import DIRECTORY as SECRETS
from controller.agents.secret_sets import InvalidSecretSet, path_of, read_bounded, read_secret_set
from controller.agents.versions import Versions
from controller.core.agents import AgentDefinition, AgentHome, AgentStatus, AgentVersion
from controller.core.errors import AgentInvalid, AgentNotFound
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE

_BOT_FILE: Final = "bot.py"
_SERVER: Final = "server"
"""The directory of the bot in a project of `pipecat init`."""

_READ_BY_BOTS: Final = (".py", ".env")
"""How the names of files end that a bot reads when it begins."""

_PAUSE_SECONDS: Final = 1.0

_Changed = tuple[int | None, int | None]
"""When each of the two files was last changed, in nanoseconds; None if there is none."""


@dataclass(slots=True)
class _Directory:
    """What is known of one directory.

    Attributes:
        path: of its bot.
        name: of its agent, as the last valid definition has it; the directory's own before the first.
        changed: when the files were changed that were read last.
        found: their definition, or what is wrong with it.
        problem: why that is not the active version; None if it is.
    """

    path: Path
    name: str
    changed: _Changed
    found: ReadDefinition | str
    problem: str | None = None


@dataclass(slots=True)
class _Agent:
    """The versions of an agent, and the name of the directory that it lives in."""

    owner: str
    versions: Versions = field(default_factory=Versions)
    notes: tuple[str, ...] = ()
    panel: str | None = None


class AgentFiles:
    """Implements `Agents`. Each call notices files that have changed.

    The assistant is there without a directory, too, until one of its name has a valid definition.
    """

    def __init__(self, root: Path, pause_seconds: float = _PAUSE_SECONDS) -> None:
        """Read nothing yet.

        Args:
            root: the directory of all agents.
            pause_seconds: between two looks of `watch`.
        """
        self._root = root.absolute()
        self._pause_seconds = pause_seconds
        self._directories: dict[str, _Directory] = {}
        self._agents: dict[str, _Agent] = {}
        self._unreadable: str | None = None
        self._built_in = BuiltInAgents()

    def current(self, name: str) -> AgentVersion:
        status = next((each for each in self.all() if each.name == name), None)
        if status is None:
            raise AgentNotFound(name)
        if status.version is None:
            raise AgentInvalid(name)
        return status.version

    def version(self, name: str, version_id: str) -> AgentVersion | None:
        agent = self._agents.get(name)
        found = agent.versions.find(version_id) if agent is not None else None
        return found or self._built_in.version(name, version_id)

    def versions(self, name: str) -> Sequence[AgentVersion]:
        agent = self._agents.get(name)
        return self._built_in.versions(name) if agent is None else agent.versions.kept

    def all(self) -> Sequence[AgentStatus]:
        self._look()
        statuses = {status.name: status for status in self._built_in.all()}
        for key, directory in self._directories.items():
            agent = self._agents.get(directory.name)
            if agent is None or agent.owner != key:
                known = statuses.get(key, AgentStatus(name=key))
                statuses[key] = replace(known, problem=directory.problem, defined_by=_shown(key))
            else:
                statuses[directory.name] = AgentStatus(
                    name=directory.name,
                    version=agent.versions.active,
                    problem=directory.problem,
                    notes=agent.notes,
                    panel=agent.panel,
                    defined_by=_shown(agent.owner),
                )
        return [statuses[name] for name in sorted(statuses)]

    def not_ready_reason(self) -> str | None:
        return self._unreadable

    async def watch(self) -> AsyncGenerator[AgentStatus, None]:
        known: dict[str, AgentStatus] = {}
        while True:
            found = {status.name: status for status in self.all()}
            for name in known.keys() - found.keys():
                yield AgentStatus(name=name)
            for name, status in found.items():
                if known.get(name) != status:
                    yield status
            known = found
            await asyncio.sleep(self._pause_seconds)

    def home_of(self, agent: AgentVersion) -> AgentHome | None:
        """Return where an agent lives, with its secret set as it is now; None if it is gone.

        Raises:
            OSError: its secret set can't be read.
        """
        known = self._agents.get(agent.name)
        directory = self._directories.get(known.owner) if known is not None else None
        if directory is None:
            return None
        try:
            variables = read_secret_set(self._secrets_of(agent.definition))
        except InvalidSecretSet as error:
            raise OSError(0, str(error)) from error
        return AgentHome(directory=directory.path, secret_set=variables)

    def given_to(self, agent: AgentVersion) -> str:
        """Return what stands for the files of an agent as they are now: its secret set, its code, its `.env`.

        Of what the code imports only files beside it are known.
        """
        known = self._agents.get(agent.name)
        directory = self._directories.get(known.owner) if known is not None else None
        if directory is None:
            return ""
        files = {self._secrets_of(agent.definition)}
        if agent.definition.file is not None:
            files.add(directory.path / agent.definition.file)
        with suppress(OSError), os.scandir(directory.path) as entries:
            files.update(Path(each.path) for each in entries if each.name.endswith(_READ_BY_BOTS))
        return json.dumps([[str(each), _changed(each)] for each in sorted(files)])

    def _look(self) -> None:
        """Read what has changed, and deploy what is valid."""
        try:
            paths = dict(self._paths())
        except OSError as error:
            self._unreadable = f"The directory of agents (PODLINE_AGENTS) can't be read: {error.strerror}."
            return
        self._unreadable = None
        for key in self._directories.keys() - paths.keys():
            del self._directories[key]
        for key, path in paths.items():
            changed = (_changed(path / DEPLOY_FILE), _changed(path / PODLINE_FILE))
            known = self._directories.get(key)
            if known is None:
                known = _Directory(path=path, name=key, changed=changed, found=_read(key, path))
                self._directories[key] = known
            elif (known.path, known.changed) != (path, changed):
                known.path, known.changed, known.found = path, changed, _read(key, path)
            known.problem = self._deploy(key, known)

    def _paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the name of each directory, and where its bot lives."""
        with os.scandir(self._root) as entries:
            names = sorted(each.name for each in entries if each.is_dir())
        for name in names:
            if name.startswith((".", "_")) or name == SECRETS:
                continue
            path = self._root / name
            is_project = not _has_an_agent(path) and _has_an_agent(path / _SERVER)
            yield name, path / _SERVER if is_project else path

    def _deploy(self, key: str, directory: _Directory) -> str | None:
        """Make what was found the active version. Return why it can't be."""
        if isinstance(directory.found, str):
            return directory.found
        definition = directory.found.definition
        problem = self._conflict(key, definition.name) or self._missing(definition, directory.path)
        if problem is not None:
            return problem
        directory.name = definition.name
        agent = self._agents.setdefault(definition.name, _Agent(owner=key))
        agent.owner = key
        agent.notes = (*directory.found.notes, *self._notes(definition))
        agent.panel = None if definition.panel is None else _panel(directory.path, definition.panel)
        agent.versions.deploy(definition, str(directory.changed))
        return None

    def _conflict(self, key: str, name: str) -> str | None:
        agent = self._agents.get(name)
        owner = self._directories.get(agent.owner) if agent is not None else None
        if agent is None or agent.owner == key or owner is None or owner.name != name:
            return None
        return f"{DEPLOY_FILE}: agent_name: write another name; the directory {agent.owner!r} has this agent."

    def _missing(self, definition: AgentDefinition, path: Path) -> str | None:
        """Return which file that the definition needs is missing."""
        if definition.file is not None and not (path / definition.file).is_file():
            return f"{PODLINE_FILE}: file: there is no such file; write the path of the bot's."
        if definition.file is None and not (path / _BOT_FILE).is_file():
            return f"{_BOT_FILE}: write the bot in this file, or name another in {PODLINE_FILE}: file."
        python = definition.python
        if python is not None and shutil.which(path / python if "/" in python else python) is None:
            return f"{PODLINE_FILE}: python: there is no such interpreter; install it, or write another."
        if definition.panel is not None and _panel(path, definition.panel) is None:
            return (
                f"{PODLINE_FILE}: panel: write {definition.panel}.html beside this file, as UTF-8 and in at "
                f"most {MOST_PANEL_BYTES} bytes."
            )
        try:
            read_secret_set(self._secrets_of(definition))
        except InvalidSecretSet as error:
            return str(error)
        return None

    def _secrets_of(self, definition: AgentDefinition) -> Path:
        """Return the file of an agent's variables, which has the agent's name unless it names another."""
        return path_of(self._root, definition.secret_set or definition.name)

    def _notes(self, definition: AgentDefinition) -> Iterator[str]:
        """Yield what has no effect on this machine."""
        if definition.secret_set is not None:
            file = path_of(self._root, definition.secret_set)
            if not file.exists():
                yield f"{DEPLOY_FILE}: secret_set has no effect. There is no file {SECRETS}/{file.name}."
        if definition.job:
            yield f"{PODLINE_FILE}: job has no effect. On this machine bots are processes."


def _read(key: str, path: Path) -> ReadDefinition | str:
    """Return a directory's definition, or what is wrong with it."""
    files = {}
    for file in (DEPLOY_FILE, PODLINE_FILE):
        try:
            files[file] = read_bounded(path / file, MOST_BYTES)
        except FileNotFoundError:
            continue
        except OSError as error:
            return f"{file}: {error.strerror}; make it a readable file."
    try:
        return read_definition(key, files)
    except InvalidDefinition as error:
        return str(error)


def _panel(path: Path, name: str) -> str | None:
    """Return the HTML of a panel; None if it can't be shown."""
    try:
        content = read_bounded(path / f"{name}.html", MOST_PANEL_BYTES)
        return content.decode() if len(content) <= MOST_PANEL_BYTES else None
    except (OSError, UnicodeDecodeError):
        return None


def _shown(key: str) -> str:
    return f"the directory {key!r} in PODLINE_AGENTS"


def _has_an_agent(path: Path) -> bool:
    return any((path / file).is_file() for file in (DEPLOY_FILE, PODLINE_FILE, _BOT_FILE))


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
