"""The keys of an agent's two files: what each may be, as a type and in words."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from controller.agents.key_types import (
    DefinitionKey,
    file_within,
    goodbye,
    json_only,
    matching,
    mute_seconds,
    number,
    quantity,
    strict,
    text,
    whole,
    without_repetition,
)
from controller.core.agents import Redaction, RoomKind
from podline.contract.agents import DEPLOY_FILE, NAME_PATTERN, PODLINE_FILE

PROFILES: Final = {"agent-1x": ("500m", "1Gi"), "agent-2x": ("1", "2Gi"), "agent-3x": ("1500m", "3Gi")}
"""Pipecat Cloud's agent profiles: processors and memory."""

_TABLE: Final = strict(dict[str, Any])
_RESOURCE_NAME: Final = strict(matching(r"[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?"))
_A_RESOURCE_NAME: Final = (
    "a name of at most 63 letters, digits, `-` and `_`, as Pipecat Cloud's client wants it"
)
_A_TABLE: Final = "a table"

DEPLOY_KEYS: Final = (
    DefinitionKey(
        name="agent_name",
        type=strict(matching(rf"{NAME_PATTERN}")),
        expects="a name of at most 40 lower-case letters, digits and hyphens, not beginning with `start`",
        meaning="The agent's name. If it is left out, the directory's name or the ConfigMap's label.",
        field="name",
    ),
    DefinitionKey(
        name="image",
        type=strict(matching(r"[!-~]{1,400}:[!-~]{1,111}")),
        expects='an image with its tag, such as "registry.example.com/shop:1.4"',
        meaning="The image that the agent's Jobs run. If it is left out, the Job template's.",
        field="image",
    ),
    DefinitionKey(
        name="image_credentials",
        type=_RESOURCE_NAME,
        expects=_A_RESOURCE_NAME,
        meaning="The Secret that a cluster uses to pull the image.",
        field="image_credentials",
    ),
    DefinitionKey(
        name="secret_set",
        type=_RESOURCE_NAME,
        expects=_A_RESOURCE_NAME,
        meaning="The set of variables that this agent's bots get, and other agents' bots don't.",
        field="secret_set",
    ),
    DefinitionKey(
        name="agent_profile",
        type=strict(Literal[tuple(PROFILES)]),
        expects=f"{', '.join(PROFILES)}, or leave it out and set [resources]",
        meaning="Processors and memory by Pipecat Cloud's names: "
        + ", ".join(f"{name} is {cpu} and {memory}" for name, (cpu, memory) in PROFILES.items())
        + ".",
    ),
    DefinitionKey(
        name="resources.cpu",
        type=strict(Annotated[str | int | float, AfterValidator(quantity(Decimal("0.001"), 256))]),
        expects='a quantity from "1m" to "256", such as "500m"',
        meaning="Processors. Needs `resources.memory`, and no `agent_profile`.",
        field="cpu",
    ),
    DefinitionKey(
        name="resources.memory",
        type=strict(Annotated[str | int | float, AfterValidator(quantity(64 * 1024**2, 4 * 1024**4))]),
        expects='a quantity from "64Mi" to "4Ti", such as "2Gi"',
        meaning="Memory. Needs `resources.cpu`, and no `agent_profile`.",
        field="memory",
    ),
    DefinitionKey(
        name="scaling.min_agents",
        type=strict(whole(0, 1000)),
        expects="a whole number from 0 to 1000",
        meaning="Bots that exist at least: in use, or warm and waiting for a call.",
        field="min_agents",
    ),
    DefinitionKey(
        name="scaling.max_agents",
        type=strict(whole(1, 10_000)),
        expects="a whole number from 1 to 10000",
        meaning="The maximum number of concurrent sessions. At least `scaling.min_agents`.",
        field="max_agents",
    ),
    DefinitionKey(
        name="max_session_duration",
        type=strict(whole(60, 14_400)),
        expects="a whole number of seconds from 60 to 14400",
        meaning="The longest session, in seconds. PODLINE_MAX_DURATION_SECONDS is the limit for all agents.",
        field="max_session_duration",
    ),
    DefinitionKey(
        name="architecture",
        type=strict(Literal["amd64", "arm64"]),
        expects='"amd64" or "arm64"',
        meaning="The nodes' architecture.",
        field="architecture",
    ),
    DefinitionKey(
        name="region",
        type=strict(text(64)),
        expects="a text of at most 64 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="There are no regions here: an agent runs where its controller does.",
    ),
    DefinitionKey(
        name="websocket_auth",
        type=strict(text(64)),
        expects="a text of at most 64 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="Bots here accept no connections, so there is none to protect.",
    ),
    DefinitionKey(
        name="krisp_viva.audio_filter",
        type=strict(Literal["tel", "pro"]),
        expects='"tel" or "pro"',
        meaning="Accepted for Pipecat Cloud.",
        note="Krisp's filter comes with Pipecat Cloud's images only; callers' sound isn't filtered.",
    ),
    DefinitionKey(
        name="build_id",
        type=strict(text(128)),
        expects="a text of at most 128 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="Podline can't fetch builds from Pipecat Cloud: name an image.",
    ),
    DefinitionKey(
        name="git",
        type=_TABLE,
        expects=_A_TABLE,
        meaning="Accepted for Pipecat Cloud.",
        note="Podline builds nothing from a repository: build an image and name it.",
    ),
    DefinitionKey(
        name="docker",
        type=_TABLE,
        expects=_A_TABLE,
        meaning="For Pipecat Cloud's client, which builds images.",
    ),
    DefinitionKey(name="build", type=_TABLE, expects=_A_TABLE, meaning="Likewise."),
)

PODLINE_KEYS: Final = (
    DefinitionKey(
        name="file",
        type=strict(Annotated[text(256), AfterValidator(file_within)]),
        expects='the path of a Python file below the agent\'s directory, such as "server/bot.py"',
        meaning="The bot's file. If it is left out, `bot.py`; in an image also `/app/bot.py`.",
        field="file",
    ),
    DefinitionKey(
        name="python",
        type=strict(text(256)),
        expects='an interpreter, such as ".venv/bin/python"',
        meaning="The interpreter: a path, relative to the agent's directory, or a name on the PATH. If it is "
        "left out, the controller's own on this machine, and `python` in an image.",
        field="python",
    ),
    DefinitionKey(
        name="rooms",
        type=strict(
            Annotated[list[RoomKind], Field(min_length=1, max_length=3), AfterValidator(without_repetition)]
        ),
        expects='a list of "daily", "livekit" and "webrtc", each at most once',
        meaning="The kinds of rooms that the bot supports. If it is left out, all kinds.",
        field="rooms",
    ),
    DefinitionKey(
        name="sessions_per_user",
        type=strict(whole(1, 10_000)),
        expects="a whole number from 1 to 10000",
        meaning="The maximum number of concurrent sessions of one user, within PODLINE_SESSIONS_PER_USER.",
        field="sessions_per_user",
    ),
    DefinitionKey(
        name="buffer",
        type=strict(whole(0, 1000) | Literal["auto"]),
        expects='a whole number from 0 to 1000, or "auto"',
        meaning='Warm bots to keep besides those in use, or "auto" by how often calls come.',
        field="buffer",
    ),
    DefinitionKey(
        name="preload",
        type=strict(bool),
        expects="true or false",
        meaning="False if the bot reads its session's variables when it is imported.",
        field="preload",
    ),
    DefinitionKey(
        name="budget.tokens",
        type=strict(whole(1, 2**53)),
        expects="a whole number of tokens",
        meaning="The budget of a session that asks for none. If it is left out, PODLINE_BUDGET_TOKENS. The "
        "operator's maximum applies to it too.",
        field="budget_tokens",
    ),
    DefinitionKey(
        name="budget.cost",
        type=strict(number(0.000_001, 1_000_000_000)),
        expects="an amount in the price file's currency",
        meaning="Likewise as an amount of money. If it is left out, PODLINE_BUDGET_COST.",
        field="budget_cost",
    ),
    DefinitionKey(
        name="budget.max_tokens",
        type=strict(whole(1, 2**53)),
        expects="a whole number of tokens, at least budget.tokens",
        meaning="The largest budget that a request may ask for. If it is left out, `budget.tokens`.",
        field="max_budget_tokens",
    ),
    DefinitionKey(
        name="budget.max_cost",
        type=strict(number(0.000_001, 1_000_000_000)),
        expects="an amount in the price file's currency, at least budget.cost",
        meaning="Likewise as an amount of money. If it is left out, `budget.cost`.",
        field="max_budget_cost",
    ),
    DefinitionKey(
        name="idle_seconds",
        type=strict(number(1, 86_400)),
        expects="a number from 1 to 86400",
        meaning="How long both sides may be silent. If it is left out, PODLINE_IDLE_SECONDS.",
        field="idle_seconds",
    ),
    DefinitionKey(
        name="no_caller_seconds",
        type=strict(number(1, 86_400)),
        expects="a number from 1 to 86400",
        meaning="How long a bot waits for its caller. If it is left out, PODLINE_NO_CALLER_SECONDS.",
        field="no_caller_seconds",
    ),
    DefinitionKey(
        name="mute_seconds",
        type=strict(Annotated[number(0, 300), AfterValidator(mute_seconds)]),
        expects="0, or a number from 2 to 300",
        meaning="How long a caller may wait for an answer and hear nothing; 0 for a bot that is silent by "
        "design. If it is left out, PODLINE_MUTE_SECONDS.",
        field="mute_seconds",
    ),
    DefinitionKey(
        name="goodbye",
        type=strict(Annotated[Any, AfterValidator(goodbye)]),
        expects='{request = "..."} or {sentence = "..."} of at most 1000 characters, or false',
        meaning="How the bot ends a call that reaches its time limit or budget: what its model is asked to "
        "say, what its speech synthesis says, or nothing.",
        field="goodbye",
    ),
    DefinitionKey(
        name="activity",
        type=strict(Redaction),
        expects='"none", "values" or "all"',
        meaning="What to leave out of the calls' activity: nothing, the values, or all of it.",
        field="activity",
    ),
    DefinitionKey(
        name="job",
        type=strict(Annotated[dict[str, Any], AfterValidator(json_only)]),
        expects="a table without dates and infinite numbers",
        meaning="A patch of the Job template. Only for definitions that an operator applies.",
        field="job",
    ),
    DefinitionKey(
        name="panel",
        type=strict(matching(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")),
        expects="a name of at most 40 lower-case letters, digits and hyphens",
        meaning="What the page shows beside a call: NAME.html, beside this file or in its ConfigMap.",
        field="panel",
    ),
)

KEYS: Final = {
    DEPLOY_FILE: {key.name: key for key in DEPLOY_KEYS},
    PODLINE_FILE: {key.name: key for key in PODLINE_KEYS},
}
