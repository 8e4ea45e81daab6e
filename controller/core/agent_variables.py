"""What an agent's definition tells its bot's runner, as environment variables. Pure."""

from __future__ import annotations

import json

from controller.core.agents import AgentDefinition, GoodbyeRule
from podline.contract import environment


def agent_variables(definition: AgentDefinition) -> dict[str, str]:
    """Return what an agent's definition tells its bot's runner."""
    seconds = {
        environment.IDLE_SECONDS: definition.idle_seconds,
        environment.NO_CALLER_SECONDS: definition.no_caller_seconds,
        environment.MUTE_SECONDS: definition.mute_seconds,
    }
    variables = {name: f"{value:g}" for name, value in seconds.items() if value is not None}
    variables[environment.AGENT] = definition.name
    if definition.file is not None:
        variables[environment.BOT_FILE] = definition.file
    if definition.goodbye is not None:
        variables[environment.GOODBYE] = _goodbye(definition.goodbye)
    return variables


def _goodbye(rule: GoodbyeRule) -> str:
    given = {"request": rule.request, "sentence": rule.sentence}
    return json.dumps({key: text for key, text in given.items() if text is not None} or False)
