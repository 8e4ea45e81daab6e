"""What the bots of a cluster's agent are given besides its definition: Job template and secret sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

from controller.core.agents import AgentVersion
from controller.core.secret_sets import SecretSet
from controller.runtimes.kubernetes.job.agent_template import agent_template
from controller.runtimes.kubernetes.job.template import JobTemplate

_DIGITS: Final = 16


class GivenByTemplate:
    """Implements `GivenTo`. It knows when a secret set was changed; of an operator's own Secret, nothing."""

    def __init__(self, template: JobTemplate, find_set: Callable[[str], SecretSet | None]) -> None:
        """`find_set` returns a set by its name."""
        self._template = template
        self._find_set = find_set
        self._texts: dict[str, tuple[tuple[str, ...], str]] = {}

    def text(self, agent: AgentVersion) -> str:
        """Return the same as long as template and sets are the same."""
        seen = (agent.id, *self._revisions(agent))
        known = self._texts.get(agent.name)
        if known is not None and known[0] == seen:
            return known[1]
        content = json.dumps([agent_template(self._template, agent), *seen], sort_keys=True, default=str)
        text = hashlib.sha256(content.encode()).hexdigest()[:_DIGITS]
        self._texts[agent.name] = seen, text
        return text

    def _revisions(self, agent: AgentVersion) -> list[str]:
        """Return for each set that the agent names when it was changed."""
        named = (agent.definition.secret_set, agent.definition.image_credentials)
        found = (None if name is None else self._find_set(name) for name in named)
        return ["" if each is None else each.updated.isoformat() for each in found]
