"""One agent of a cluster: its versions, where its definition comes from, and what becomes of the latest."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from controller.agents.cluster.source import Source
from controller.agents.definitions import ReadDefinition
from controller.agents.versions import KEPT, Versions
from controller.core.agents import AgentDefinition, AgentStatus, AgentVersion


@dataclass(slots=True)
class FollowedAgent:
    """What is known of one agent.

    Attributes:
        name: of the agent.
        versions: of its definition.
        source: of the latest definition; None if there is none.
        problem: why the latest definition is not the active version; None if it is, or may become it.
        is_refused: the cluster refuses it or has no room for it, and may change its mind.
        deploying: the version that is being started dry.
        failed: what was started dry and could not take calls: a definition, what it was deployed with, and
            why.
    """

    name: str
    versions: Versions = field(default_factory=Versions)
    source: Source | None = None
    problem: str | None = None
    is_refused: bool = False
    deploying: AgentVersion | None = None
    failed: tuple[AgentDefinition, str, str] | None = None
    _dry_start: asyncio.Task[None] | None = None
    _redeploy: str = ""
    _retired: tuple[AgentVersion, ...] = ()
    _notes: tuple[str, ...] = ()
    _note_of_bot: str | None = None
    _panel: str | None = None

    def status(self) -> AgentStatus:
        return AgentStatus(
            name=self.name,
            version=self.versions.active,
            problem=self.problem,
            notes=self._notes,
            panel=self._panel,
            defined_by=self.source.defined_by if self.source is not None else None,
            deploying=self.deploying,
        )

    def find(self, version_id: str) -> AgentVersion | None:
        """Return a version that is kept, also one from before the agent was removed."""
        retired = (each for each in self._retired if each.id == version_id)
        return self.versions.find(version_id) or next(retired, None)

    def problem_of_failed(self, definition: AgentDefinition, redeploy: str) -> str | None:
        """Return why this deployment could not take calls; None if it is another than the one that failed."""
        if self.failed is None or self.failed[:2] != (definition, redeploy):
            return None
        return self.failed[2]

    def is_starting(self, definition: AgentDefinition, redeploy: str) -> bool:
        """Return whether this deployment is being started dry."""
        return (
            self.deploying is not None
            and self.deploying.definition == definition
            and self._redeploy == redeploy
        )

    def begin_dry_start(self, version: AgentVersion, task: asyncio.Task[None]) -> None:
        self.deploying, self._dry_start = version, task
        self._redeploy = self.source.redeploy if self.source is not None else ""

    def dry_start_ended(self) -> None:
        self.deploying = self._dry_start = None

    def end_dry_start(self) -> None:
        """Give up the version that is being started, if there is one."""
        if self._dry_start is not None:
            self._dry_start.cancel()
        self.dry_start_ended()

    def is_return_to_former(self, definition: AgentDefinition) -> bool:
        """Return whether this is a rollback to a version that has taken calls before."""
        wanted = self.source.rollback if self.source is not None else None
        former = self.versions.find(wanted) if wanted is not None else None
        return former is not None and former.definition == definition

    def make_active(self, found: ReadDefinition, note: str | None, at: datetime) -> None:
        """Make the definition of the source the active version. `note` is about its bot."""
        if self.source is None:
            return
        self.versions.deploy(found.definition, self.source.redeploy, self.source.kept_files, at)
        self.problem = self.failed = None
        self._note_of_bot = note
        self.show(found)

    def show(self, found: ReadDefinition) -> None:
        """Show the notes and panel of the active version."""
        if self.source is None:
            return
        of_bot = [] if self._note_of_bot is None else [self._note_of_bot]
        self._notes = (*found.notes, *self.source.ignored_keys(found.definition), *of_bot)
        self._panel = self.source.panel_of(found.definition)

    def take_stored(self, versions: Versions) -> None:
        """Go on from the versions that another controller has stored. No serial number is given twice."""
        lost = (each for each in self.versions.kept if versions.find(each.id) is None)
        self._retired = (*self._retired, *lost)[-KEPT:]
        next_serial = max(self.versions.next_serial, versions.next_serial)
        self.versions = Versions(next_serial, versions.kept, versions.deployment)

    def lose_source(self) -> None:
        """Forget where it was defined."""
        self.end_dry_start()
        self.source = self.problem = self.failed = self._panel = None
        self.is_refused = False

    def retire_versions(self) -> None:
        """Keep the versions for the sessions that were accepted with them, and have none active."""
        self._retired = (*self._retired, *self.versions.kept)[-KEPT:]
        self.versions = Versions(next_serial=self.versions.next_serial)
        self._notes, self._note_of_bot = (), None
