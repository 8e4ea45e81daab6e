"""Definitions of agents, read from `pcc-deploy.toml` and `podline.toml`. Pure."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from controller.agents.key_types import DefinitionKey
from controller.agents.keys import KEYS, PROFILES
from controller.core.agents import AgentDefinition
from podline.contract.agents import DEPLOY_FILE, NAME_PATTERN, PODLINE_FILE
from podline.contract.nesting import MOST_LEVELS, is_too_deep

MOST_BYTES: Final = 64 * 1024
"""Of one file."""

MOST_PANEL_BYTES: Final = 256 * 1024

_MOST_PROBLEMS: Final = 5
_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class InvalidDefinition(Exception):  # noqa: N818 - named for what happened
    """A definition can't be used; a sentence for each thing that is wrong, with file, key and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDefinition:
    """A valid definition, and a sentence for each key in it that has no effect here."""

    definition: AgentDefinition
    notes: tuple[str, ...] = ()


def read_definition(name: str, files: Mapping[str, bytes], *, may_patch_job: bool = True) -> ReadDefinition:
    """Read the definition of an agent.

    Args:
        name: of the agent, unless a file gives it another.
        files: the content of each file by its name, in any case only the two of a definition.
        may_patch_job: False if it comes from somebody who may not change the Job template.

    Raises:
        InvalidDefinition: it can't be used.
    """
    problems: list[str] = []
    values: dict[str, Any] = {"name": name}
    given: dict[str, Any] = {}
    notes: list[str] = []
    for file, content in sorted(files.items()):
        for key, value in _keys_of(file, content, problems):
            given[key.name] = value
            if key.field is not None:
                values[key.field] = value
            if key.note is not None:
                notes.append(f"{file}: {key.name} has no effect. {key.note}")
    if not problems:
        problems += _contradictions(given)
    if "job" in given and not may_patch_job:
        problems.append(f"{PODLINE_FILE}: job: remove it; only an operator's definition may patch the Job.")
    if re.fullmatch(NAME_PATTERN, values["name"]) is None:
        problems.append(_wrong(DEPLOY_FILE, KEYS[DEPLOY_FILE]["agent_name"]))
    if problems:
        raise InvalidDefinition(_listed(problems))
    if "agent_profile" in given:
        values["cpu"], values["memory"] = PROFILES[given["agent_profile"]]
    return ReadDefinition(definition=AgentDefinition(**values), notes=tuple(notes))


def _keys_of(file: str, content: bytes, problems: list[str]) -> Iterator[tuple[DefinitionKey, Any]]:
    """Yield the valid keys of a file with their values, and add what is wrong with the others."""
    try:
        document = _document(content)
    except ValueError as error:
        problems.append(f"{file}: {error}.")
        return
    known = KEYS[file]
    for name, value in _flat(document, known):
        key = known.get(name)
        if key is None:
            problems.append(_unknown(file, name))
            continue
        try:
            yield key, key.type.validate_python(value)
        except ValidationError:
            problems.append(_wrong(file, key))


def _document(content: bytes) -> dict[str, Any]:
    """Parse a file. Raises ValueError, whose message says what to do."""
    if len(content) > MOST_BYTES:
        raise ValueError(f"shorten it to {MOST_BYTES} bytes or less")
    try:
        document = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise ValueError("save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"correct its TOML: {error}") from None
    except (ValueError, RecursionError):
        # A number of thousands of digits, or lists thousands of levels deep.
        raise ValueError("correct its TOML: a value is too long or nested too deeply") from None
    if is_too_deep(document):
        raise ValueError(f"nest at most {MOST_LEVELS} levels")
    return document


def _flat(document: Mapping[str, Any], known: Mapping[str, DefinitionKey]) -> Iterator[tuple[str, Any]]:
    """Yield each key with its table's name. A table that is one key's value is not taken apart."""
    tables = {name.partition(".")[0] for name in known if "." in name}
    for name, value in document.items():
        if name in tables and isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            # A dot within a quoted key leads to no table.
            yield name.replace(".", " "), value


def _contradictions(given: Mapping[str, Any]) -> Iterator[str]:
    sizes = {"resources.cpu", "resources.memory"} & given.keys()
    if len(sizes) == 1:
        yield f"{DEPLOY_FILE}: resources: write both cpu and memory."
    if sizes and "agent_profile" in given:
        yield f"{DEPLOY_FILE}: agent_profile: remove it, or remove [resources]."
    least, most = given.get("scaling.min_agents", 0), given.get("scaling.max_agents")
    if most is not None and most < least:
        yield f"{DEPLOY_FILE}: scaling.max_agents: write at least scaling.min_agents, which is {least}."
    for unit in ("tokens", "cost"):
        usual, most = given.get(f"budget.{unit}"), given.get(f"budget.max_{unit}")
        if usual is not None and most is not None and most < usual:
            yield f"{PODLINE_FILE}: budget.max_{unit}: write at least budget.{unit}, which is {usual:g}."


def _unknown(file: str, name: str) -> str:
    shown = name if _KEY.fullmatch(name) else "a key of unusual characters or length"
    for other, keys in KEYS.items():
        if other != file and name in keys:
            return f"{file}: {shown}: move it to {other}."
    tables = {each.partition(".")[0] for each in KEYS[file] if "." in each}
    if name in tables:
        return f"{file}: {shown}: write it as a table, [{shown}]."
    closest = difflib.get_close_matches(name[:64], KEYS[file], n=1)
    suggestion = f"; did you mean {closest[0]}?" if closest else "."
    return f"{file}: {shown}: there is no such key, so remove it{suggestion}"


def _wrong(file: str, key: DefinitionKey) -> str:
    return f"{file}: {key.name}: write {key.expects}."


def _listed(problems: list[str]) -> str:
    more = len(problems) - _MOST_PROBLEMS
    rest = f" Problems not shown: {more}." if more > 0 else ""
    return " ".join(problems[:_MOST_PROBLEMS]) + rest
