"""`.env.example` and docs/reference/settings.md, from the descriptions beside the settings' fields.

Run as `python -m testing.settings_reference`, writes both.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from controller.settings.bots import PASSED_ON, TRACES, BotSettings
from controller.settings.settings import Settings
from controller.settings.variables import Group, Variable, variables_of

ROOT: Final = Path(__file__).parent.parent
_REFERENCE: Final = ROOT / "docs" / "reference" / "settings.md"
_WIDTH: Final = 120
_COMMAND: Final = "scripts/generate"

_EXAMPLE_BEGINS: Final = f"""\
# Copy to `.env` in the directory where `podline serve` is started. Environment variables override this file.
# A line with # shows the default, or an example where there is no default. Made by {_COMMAND}.
"""

_REFERENCE_BEGINS: Final = f"""\
# Settings

<!-- Made by {_COMMAND} from controller/settings. -->

The controller reads environment variables, and a file `.env` in the directory where it is started.
Environment variables override the file, and an empty value counts as not set.
[`.env.example`](../../.env.example) is an example of the file, with all variables. If the controller can't
use a value, it exits at once with code 64 and one line that names the variable and says what to do. It logs a
variable that begins with `PODLINE_` and that nothing reads as
[`unknown setting`](events.md#the-controllers-events), with the closest real name.
"""


def generated() -> dict[Path, str]:
    """Each file and what should be in it."""
    return {
        ROOT / ".env.example": "\n".join([_EXAMPLE_BEGINS, *map(_example_section, sections())]),
        _REFERENCE: "\n".join([_REFERENCE_BEGINS, *map(_reference_section, sections())]),
    }


Section = tuple[str, Sequence[Variable]]


def sections() -> Iterator[Section]:
    """All variables an operator can set, in groups with a title each."""
    for group in Settings.groups():
        passed_on = PASSED_ON if group is BotSettings else ()
        yield _title(group), _most_needed_first([*variables_of(group), *passed_on])
    yield "Traces", TRACES


def _title(group: type[Group]) -> str:
    return (group.__doc__ or "").removesuffix(".")


def _most_needed_first(variables: Sequence[Variable]) -> Sequence[Variable]:
    return sorted(variables, key=lambda each: not each.to_fill_in)


def _example_section(section: Section) -> str:
    title, variables = section
    return "\n".join([f"# --- {title} ---\n", *map(_example_of, variables)])


def _example_of(variable: Variable) -> str:
    unit = f" Unit: {variable.unit}." if variable.unit else ""
    comment = textwrap.fill(
        variable.description + unit,
        _WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    value = variable.example if variable.default is None else variable.default
    return f"{comment}\n{'' if variable.to_fill_in else '#'}{variable.name}={value}\n"


def _reference_section(section: Section) -> str:
    title, variables = section
    rows = [
        f"| `{each.name}` | {_code(each.default)} | {each.unit or ''} | {_marked(each.description)} |"
        for each in variables
    ]
    return "\n".join([f"## {title}\n", "| Variable | Default | Unit | |", "|---|---|---|---|", *rows, ""])


def _code(text: str | None) -> str:
    return "" if text is None else f"`{text}`"


def _marked(text: str) -> str:
    """The text with names of variables as code."""
    return re.sub(r"(?<!`)\b[A-Z]+_[A-Z_]+\b", r"`\g<0>`", text)


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
