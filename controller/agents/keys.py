"""The keys of an agent's two files: what each may be, as a type and in words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, TypeAdapter

from controller.core.agents import NAME_PATTERN, GoodbyeRule, Redaction, RoomKind

DEPLOY_FILE: Final = "pcc-deploy.toml"
PODLINE_FILE: Final = "podline.toml"

PROFILES: Final = {"agent-1x": ("500m", "1Gi"), "agent-2x": ("1", "2Gi"), "agent-3x": ("1500m", "3Gi")}
"""Pipecat Cloud's agent profiles: processors and memory."""

_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
"""As Pipecat Cloud's client checks it, with a bound on the digits."""

_FACTORS: Final = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_GOODBYE_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionKey:
    """One key of a file.

    Attributes:
        name: with its table, as in `scaling.min_agents`.
        type: checks its value, and returns it as the definition has it.
        expects: what to write, to go on from "Write".
        meaning: for the reference.
        field: of the definition; None if the definition doesn't have it as such.
        note: why it has no effect here, as a sentence; None if it has one, or if it doesn't matter.
    """

    name: str
    type: TypeAdapter[Any]
    expects: str
    meaning: str
    field: str | None = None
    note: str | None = None


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


def _file_within(path: str) -> str:
    steps = path.split("/")
    if ".." in steps or "" in steps or not path.endswith(".py"):
        raise ValueError("not a Python file below the directory")
    return path


def _quantity(least: int | Decimal, most: int) -> Callable[[str | float], str]:
    """Return the check of a Kubernetes quantity. In TOML, one without a unit may be a number."""

    def check(value: str | float) -> str:
        found = _QUANTITY.fullmatch(str(value))
        if found is None or not least <= Decimal(found[1]) * _FACTORS[found[2] or ""] <= most:
            raise ValueError("not a quantity in this range")
        return str(value)

    return check


def _without_repetition(kinds: list[RoomKind]) -> tuple[RoomKind, ...]:
    if len(set(kinds)) < len(kinds):
        raise ValueError("a kind is there twice")
    return tuple(sorted(kinds))


def _mute_seconds(seconds: float) -> float:
    if 0 < seconds < 2:
        raise ValueError("too few for any answer")
    return seconds


def _goodbye(value: object) -> GoodbyeRule:
    if value is False:
        return GoodbyeRule()
    if not isinstance(value, dict) or len(value) != 1:
        raise ValueError("neither one sentence nor false")
    [(kind, text)] = value.items()
    if kind not in ("request", "sentence") or not isinstance(text, str):
        raise ValueError("neither a request nor a sentence")
    if not (0 < len(text) <= _GOODBYE_CHARACTERS and text.replace("\n", " ").isprintable()):
        raise ValueError("not a text of this length")
    return GoodbyeRule(**{kind: text})


def _json_only(table: dict[str, Any]) -> dict[str, Any]:
    """Refuse what only TOML has: dates, infinity."""
    try:
        json.dumps(table, allow_nan=False)
    except TypeError:
        raise ValueError("a date is no JSON") from None
    return table


def _matching(pattern: str) -> Any:
    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError("not of this form")
        return text

    return Annotated[str, StringConstraints(max_length=512), AfterValidator(check)]


def _type(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind, config=ConfigDict(strict=True))


def _text(most: int) -> Any:
    return Annotated[str, StringConstraints(min_length=1, max_length=most), AfterValidator(_printable)]


def _number(least: float, most: float) -> Any:
    return Annotated[float, Field(ge=least, le=most, allow_inf_nan=False)]


def _whole(least: int, most: int) -> Any:
    return Annotated[int, Field(ge=least, le=most)]


_TABLE: Final = _type(dict[str, Any])
_RESOURCE_NAME: Final = _type(_matching(r"[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?"))
_A_RESOURCE_NAME: Final = (
    "a name of at most 63 letters, digits, `-` and `_`, as Pipecat Cloud's client wants it"
)
_A_TABLE: Final = "a table"

DEPLOY_KEYS: Final = (
    DefinitionKey(
        name="agent_name",
        type=_type(_matching(rf"{NAME_PATTERN}")),
        expects="a name of at most 40 lower-case letters, digits and hyphens, not beginning with `start`",
        meaning="The agent's name. If it is left out, that of the directory or the ConfigMap's label.",
        field="name",
    ),
    DefinitionKey(
        name="image",
        type=_type(_matching(r"[!-~]{1,400}:[!-~]{1,111}")),
        expects='an image with its tag, such as "registry.example.com/shop:1.4"',
        meaning="The image that its Jobs run. If it is left out, that of the Job template.",
        field="image",
    ),
    DefinitionKey(
        name="image_credentials",
        type=_RESOURCE_NAME,
        expects=_A_RESOURCE_NAME,
        meaning="The Secret with which a cluster pulls the image.",
        field="image_credentials",
    ),
    DefinitionKey(
        name="secret_set",
        type=_RESOURCE_NAME,
        expects=_A_RESOURCE_NAME,
        meaning="The set of variables that this agent's bots get, and no other's.",
        field="secret_set",
    ),
    DefinitionKey(
        name="agent_profile",
        type=_type(Literal[tuple(PROFILES)]),
        expects=f"{', '.join(PROFILES)}, or leave it out and set [resources]",
        meaning="Processors and memory by Pipecat Cloud's names: "
        + ", ".join(f"{name} is {cpu} and {memory}" for name, (cpu, memory) in PROFILES.items())
        + ".",
    ),
    DefinitionKey(
        name="resources.cpu",
        type=_type(Annotated[str | int | float, AfterValidator(_quantity(Decimal("0.001"), 256))]),
        expects='a quantity from "1m" to "256", such as "500m"',
        meaning="Processors. Needs `resources.memory`, and no `agent_profile`.",
        field="cpu",
    ),
    DefinitionKey(
        name="resources.memory",
        type=_type(Annotated[str | int | float, AfterValidator(_quantity(64 * 1024**2, 4 * 1024**4))]),
        expects='a quantity from "64Mi" to "4Ti", such as "2Gi"',
        meaning="Memory. Needs `resources.cpu`, and no `agent_profile`.",
        field="memory",
    ),
    DefinitionKey(
        name="scaling.min_agents",
        type=_type(_whole(0, 1000)),
        expects="a whole number from 0 to 1000",
        meaning="Warm bots to keep.",
        field="min_agents",
    ),
    DefinitionKey(
        name="scaling.max_agents",
        type=_type(_whole(1, 10_000)),
        expects="a whole number from 1 to 10000",
        meaning="The most sessions at the same time. At least `scaling.min_agents`.",
        field="max_agents",
    ),
    DefinitionKey(
        name="max_session_duration",
        type=_type(_whole(60, 14_400)),
        expects="a whole number of seconds from 60 to 14400",
        meaning="The longest session, in seconds. PODLINE_MAX_DURATION_SECONDS is the limit for all agents.",
        field="max_session_duration",
    ),
    DefinitionKey(
        name="architecture",
        type=_type(Literal["amd64", "arm64"]),
        expects='"amd64" or "arm64"',
        meaning="The nodes' architecture.",
        field="architecture",
    ),
    DefinitionKey(
        name="region",
        type=_type(_text(64)),
        expects="a text of at most 64 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="There are no regions here: an agent runs where its controller does.",
    ),
    DefinitionKey(
        name="websocket_auth",
        type=_type(_text(64)),
        expects="a text of at most 64 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="Bots here accept no connections, so there is none to protect.",
    ),
    DefinitionKey(
        name="krisp_viva.audio_filter",
        type=_type(Literal["tel", "pro"]),
        expects='"tel" or "pro"',
        meaning="Accepted for Pipecat Cloud.",
        note="Krisp's filter comes with Pipecat Cloud's images only; callers' sound isn't filtered.",
    ),
    DefinitionKey(
        name="build_id",
        type=_type(_text(128)),
        expects="a text of at most 128 characters",
        meaning="Accepted for Pipecat Cloud.",
        note="Builds of Pipecat Cloud can't be fetched: name an image.",
    ),
    DefinitionKey(
        name="git",
        type=_TABLE,
        expects=_A_TABLE,
        meaning="Accepted for Pipecat Cloud.",
        note="Nothing is built from a repository here: build an image and name it.",
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
        type=_type(Annotated[_text(256), AfterValidator(_file_within)]),
        expects='the path of a Python file below the agent\'s directory, such as "server/bot.py"',
        meaning="The bot's file. If it is left out, `bot.py`; in an image also `/app/bot.py`.",
        field="file",
    ),
    DefinitionKey(
        name="python",
        type=_type(_text(256)),
        expects='an interpreter, such as ".venv/bin/python"',
        meaning="The interpreter: a path, relative to the agent's directory, or a name on the PATH. If it is "
        "left out, the controller's own on this machine, and `python` in an image.",
        field="python",
    ),
    DefinitionKey(
        name="rooms",
        type=_type(
            Annotated[list[RoomKind], Field(min_length=1, max_length=3), AfterValidator(_without_repetition)]
        ),
        expects='a list of "daily", "livekit" and "webrtc", each at most once',
        meaning="The kinds of rooms that the bot supports. If it is left out, all.",
        field="rooms",
    ),
    DefinitionKey(
        name="sessions_per_user",
        type=_type(_whole(1, 10_000)),
        expects="a whole number from 1 to 10000",
        meaning="The most sessions of one user at the same time, within PODLINE_SESSIONS_PER_USER.",
        field="sessions_per_user",
    ),
    DefinitionKey(
        name="buffer",
        type=_type(_whole(0, 1000) | Literal["auto"]),
        expects='a whole number from 0 to 1000, or "auto"',
        meaning="Warm bots to keep above those in use.",
        field="buffer",
    ),
    DefinitionKey(
        name="preload",
        type=_type(bool),
        expects="true or false",
        meaning="False if the bot reads its session's variables when it is imported.",
        field="preload",
    ),
    DefinitionKey(
        name="budget.tokens",
        type=_type(_whole(1, 2**53)),
        expects="a whole number of tokens",
        meaning="The budget of a session that asks for none. If it is left out, PODLINE_BUDGET_TOKENS. The "
        "operator's maximum applies to it too.",
        field="budget_tokens",
    ),
    DefinitionKey(
        name="budget.cost",
        type=_type(_number(0.000_001, 1_000_000_000)),
        expects="an amount in the price file's currency",
        meaning="Likewise as an amount of money. If it is left out, PODLINE_BUDGET_COST.",
        field="budget_cost",
    ),
    DefinitionKey(
        name="budget.max_tokens",
        type=_type(_whole(1, 2**53)),
        expects="a whole number of tokens, at least budget.tokens",
        meaning="The largest budget that a request may ask for. If it is left out, `budget.tokens`.",
        field="max_budget_tokens",
    ),
    DefinitionKey(
        name="budget.max_cost",
        type=_type(_number(0.000_001, 1_000_000_000)),
        expects="an amount in the price file's currency, at least budget.cost",
        meaning="Likewise as an amount of money. If it is left out, `budget.cost`.",
        field="max_budget_cost",
    ),
    DefinitionKey(
        name="idle_seconds",
        type=_type(_number(1, 86_400)),
        expects="a number from 1 to 86400",
        meaning="How long both sides may be silent. If it is left out, PODLINE_IDLE_SECONDS.",
        field="idle_seconds",
    ),
    DefinitionKey(
        name="no_caller_seconds",
        type=_type(_number(1, 86_400)),
        expects="a number from 1 to 86400",
        meaning="How long a bot waits for its caller. If it is left out, PODLINE_NO_CALLER_SECONDS.",
        field="no_caller_seconds",
    ),
    DefinitionKey(
        name="mute_seconds",
        type=_type(Annotated[_number(0, 300), AfterValidator(_mute_seconds)]),
        expects="0, or a number from 2 to 300",
        meaning="How long a caller who is owed an answer may hear nothing; 0 for a bot that is silent by "
        "design. If it is left out, PODLINE_MUTE_SECONDS.",
        field="mute_seconds",
    ),
    DefinitionKey(
        name="goodbye",
        type=_type(Annotated[Any, AfterValidator(_goodbye)]),
        expects='{request = "..."} or {sentence = "..."} of at most 1000 characters, or false',
        meaning="How the bot ends a call that reaches its time limit or budget: what its model is asked to "
        "say, what its speech synthesis says, or nothing.",
        field="goodbye",
    ),
    DefinitionKey(
        name="activity",
        type=_type(Redaction),
        expects='"none", "values" or "all"',
        meaning="What is left out of the calls' activity: nothing, values, or all of it.",
        field="activity",
    ),
    DefinitionKey(
        name="job",
        type=_type(Annotated[dict[str, Any], AfterValidator(_json_only)]),
        expects="a table without dates and infinite numbers",
        meaning="A patch of the Job template. Only for definitions that an operator applies.",
        field="job",
    ),
    DefinitionKey(
        name="panel",
        type=_type(_matching(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")),
        expects="a name of at most 40 lower-case letters, digits and hyphens",
        meaning="What the page shows beside a call: NAME.html, beside this file or in its ConfigMap.",
        field="panel",
    ),
)

KEYS: Final = {
    DEPLOY_FILE: {key.name: key for key in DEPLOY_KEYS},
    PODLINE_FILE: {key.name: key for key in PODLINE_KEYS},
}
