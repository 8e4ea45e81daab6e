"""The source of a definition in a cluster: an operator's ConfigMap, or a deployment through the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.agents.definitions import (
    MOST_PANEL_BYTES,
    InvalidDefinition,
    ReadDefinition,
    read_definition,
)
from controller.agents.keys import KEYS
from controller.core.agents import AgentDefinition
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.objects import ConfigMap
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of one agent's definition.

    Attributes:
        agent: the agent's name.
        files: the content of its files by their names, with other keys of a ConfigMap.
        redeploy: another value deploys the same files again.
        rollback: the version whose files these are, if it is to be active again.
        config_map: the operator's; None for a deployment through the API.
    """

    agent: str
    files: Mapping[str, str]
    redeploy: str = ""
    rollback: str | None = None
    config_map: ConfigMap | None = None

    @classmethod
    def of(cls, config_map: ConfigMap) -> Source:
        meta = config_map.metadata
        return cls(
            agent=meta.labels.agent or "",
            files=config_map.data,
            redeploy=meta.annotations.redeploy or "",
            config_map=config_map,
        )

    @property
    def config_map_name(self) -> str | None:
        return self.config_map.metadata.name if self.config_map is not None else None

    @property
    def defined_by(self) -> str | None:
        """What an operator changes; None if the API is to be used."""
        return None if self.config_map is None else f"the ConfigMap {self.config_map.metadata.name}"

    @property
    def kept_files(self) -> Mapping[str, str]:
        """What a rollback needs: the files of a deployment through the API. An operator has their own."""
        return self.files if self.config_map is None else {}

    def is_another_than(self, other: Source | None) -> bool:
        """Return whether two sources are not states of the same one."""
        return other is not None and other.config_map_name != self.config_map_name

    def read(self) -> ReadDefinition:
        """Read the definition. Raises InvalidDefinition."""
        files = {file: self.files[file].encode() for file in KEYS if file in self.files}
        if not files:
            raise InvalidDefinition(f"{DEPLOY_FILE}: write the definition into this key of the ConfigMap.")
        found = read_definition(self.agent, files, may_patch_job=self.config_map is not None)
        if found.definition.name != self.agent:
            raise InvalidDefinition(f"{DEPLOY_FILE}: agent_name: {self._expected_name()}")
        panel = self.panel_of(found.definition)
        if found.definition.panel is not None and (panel is None or len(panel.encode()) > MOST_PANEL_BYTES):
            raise InvalidDefinition(
                f"{PODLINE_FILE}: panel: write the panel into the key {found.definition.panel}.html of the "
                f"ConfigMap, in at most {MOST_PANEL_BYTES} bytes."
            )
        return found

    def panel_of(self, definition: AgentDefinition) -> str | None:
        """Return the HTML of a definition's panel, if it has one."""
        return None if definition.panel is None else self.files.get(f"{definition.panel}.html")

    def ignored_keys(self, definition: AgentDefinition) -> Sequence[str]:
        """Return a sentence for each key that is not read."""
        read = {*KEYS, f"{definition.panel}.html"} if definition.panel is not None else set(KEYS)
        shown = sorted(key[:64] for key in self.files.keys() - read)[:3]
        return [
            f"{key} has no effect. In a ConfigMap only {DEPLOY_FILE}, {PODLINE_FILE} and the panel are read."
            for key in shown
        ]

    def _expected_name(self) -> str:
        if self.config_map is None:
            return f"write {self.agent!r}, which is the name that is deployed."
        return f"write the value of the ConfigMap's label {names.AGENT_LABEL}, which is {self.agent!r}."
