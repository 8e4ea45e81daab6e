"""What the bots of an agent lack on this machine, noticed before a caller is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from controller.core.agents import DEFAULT_AGENT, AgentHome, AgentVersion
from podline.contract import environment

_NEEDED: Final = (environment.GOOGLE_API_KEY, environment.CONVEX_URL)
"""Without one of these the assistant ends as `config_invalid` before it joins."""

_FORMER_KEY: Final = "GEMINI_API_KEY"


class LocalPreflight:
    """Knows what the assistant in `bot/` needs. What any other bot needs, only its own code says."""

    def __init__(
        self, variables: Mapping[str, str], home_of: Callable[[AgentVersion], AgentHome | None]
    ) -> None:
        """`home_of` returns where an agent lives; None if it is the assistant, which has no directory."""
        self._home_of = home_of
        self._missing = [name for name in _NEEDED if not variables.get(name, "").strip()]
        self._has_former_key = bool(variables.get(_FORMER_KEY, "").strip())

    def problem_of(self, agent: AgentVersion) -> str | None:
        """Return why each bot of this agent would fail, as a sentence; None if nothing is known to lack."""
        if not self._missing or agent.name != DEFAULT_AGENT or self._has_a_home(agent):
            return None
        hint = ""
        if self._has_former_key and environment.GOOGLE_API_KEY in self._missing:
            hint = f" ({_FORMER_KEY} is set: rename it)"
        return (
            f"The agent {agent.name!r} can't take calls without {' and '.join(self._missing)}{hint}: set "
            "what is missing in .env, which .env.example describes, and start `podline serve` again, or run "
            "`scripts/demo` to try it without any account."
        )

    def _has_a_home(self, agent: AgentVersion) -> bool:
        try:
            return self._home_of(agent) is not None
        except OSError:
            # Its secret set can't be read, which the launch reports.
            return True
