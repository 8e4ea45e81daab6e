"""Personas: instructions, voice, greeting, farewell and language, in a TOML file that operators edit."""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from podline.errors import ConfigInvalid

DEFAULT_PERSONA: Final = Path(__file__).parent / "personas" / "shopping.toml"

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_LONGEST: Final = {"instructions": 32_000, "greeting": 500, "farewell": 500}


@dataclass(frozen=True)
class Persona:
    """One persona.

    Attributes:
        instructions: The model's system instruction.
        voice: Name of one of Gemini Live's prebuilt voices. Google adds to them, so any name is passed on.
        greeting: What the bot says first.
        farewell: What it says last when something other than its own goodbye ends the call.
        language: BCP-47 tag of the language it begins in, such as `en-US`.
    """

    instructions: str
    voice: str
    greeting: str
    farewell: str
    language: str


def load_persona(path: Path | None) -> Persona:
    """Read the persona at `path`, or the default one.

    Raises:
        ConfigInvalid: The file can't be read or is malformed; one line names file and keys.
    """
    path = path or DEFAULT_PERSONA
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigInvalid(
            f"persona {path} can't be read ({error.strerror}); set PODLINE_PERSONA to a file that can."
        ) from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise ConfigInvalid(
            f"persona {path} is not a TOML file in UTF-8: {error}; correct it and start again."
        ) from error

    known = [field.name for field in fields(Persona)]
    problems = [problem for name in known for problem in _problems(name, table.get(name))]
    problems += [f"{name} is not a key of a persona" for name in table if name not in known]
    if problems:
        raise ConfigInvalid(f"persona {path}: {'; '.join(problems)}; correct this and start again.")
    return Persona(**{name: table[name].strip() for name in known})


def greeting_request(persona: Persona) -> str:
    """Return what the model is asked once the caller has joined."""
    return f"The caller has just joined. Say these words and no others: “{persona.greeting}”"


def farewell_request(persona: Persona) -> str:
    """Return what the model is asked when the call is about to end."""
    return (
        "The call is about to end. Say goodbye in the language of this conversation, "
        f"with these words and no others: “{persona.farewell}”"
    )


def _problems(name: str, value: Any) -> list[str]:
    if value is None:
        return [f"{name} is missing"]
    if not isinstance(value, str) or not value.strip():
        return [f"{name} must be a non-empty string"]
    value = value.strip()
    if name in _LONGEST and len(value) > _LONGEST[name]:
        return [f"{name} has {len(value)} characters, at most {_LONGEST[name]} are allowed"]
    if name == "voice" and not _NAME.fullmatch(value):
        return ["voice must be the name of a Gemini Live voice, such as Aoede"]
    if name == "language" and not _LANGUAGE.fullmatch(value):
        return ["language must be a BCP-47 tag, such as en-US"]
    return []
