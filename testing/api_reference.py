"""docs/reference/api.md: the API's description as a page for people who write web apps.

Run as `python -m testing.api_reference`, writes it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from testing.web.generated import description

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "api.md"
BASE: Final = "http://127.0.0.1:7860"
"""Where the curls of the page send their requests."""
_OFFER: Final = "/sessions/{session_id}/api/offer"
_PROBLEM: Final = "application/problem+json"
_EVENTS: Final = "text/event-stream"
_BEGINS: Final = """\
# API

<!-- Made by scripts/generate from the controller's OpenAPI document. -->
<!-- not run on this page: tests/contract/api/test_api_reference.py runs each command -->

{about}

A controller on your own machine shows this reference at `/docs`, where you can try each operation, and the
OpenAPI document at `/openapi.json`. Elsewhere [`PODLINE_DOCS`](settings.md) turns both on.

The commands below are for a controller on your own machine. For another one, replace `{base}`, and
set `PODLINE_API_KEY` to a key. For offers, set `SESSION` to the `sessionId` from `/start`.
"""

Schema = Mapping[str, Any]


def generated() -> dict[Path, str]:
    """Each file and what should be in it."""
    return {PAGE: "\n".join(_lines(description()))}


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield _BEGINS.format(about=document["info"]["description"], base=BASE)
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for tag in document["tags"]:
        mine = [each for each in operations if tag["name"] in each[2]["tags"]]
        yield f"## {tag['name'].capitalize()}\n\n{tag['description']}\n"
        yield _table(
            ("Operation", ""),
            ((f"`{method} {path}`", _link(operation["summary"])) for method, path, operation in mine),
        )
        for method, path, operation in mine:
            yield from _operation(method, path, operation)
    yield from _objects(document["components"]["schemas"])
    yield from _errors(document["components"]["examples"])


def _operation(method: str, path: str, operation: Schema) -> Iterator[str]:
    yield f"### {operation['summary']}\n\n`{method} {path}`\n\n{_joined(operation['description'])}\n"
    yield f"```sh\n{curl(method, path, operation)}\n```\n"
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            if media_type not in (_PROBLEM, "application/openmetrics-text"):
                yield from _success(status, response["description"], media_type, content)
    if parameters := operation.get("parameters"):
        yield _table(("Parameter", "In", "Type", "Description"), map(_parameter, parameters))
    if body := operation.get("requestBody"):
        yield f"Body of the request: {_kind(body['content']['application/json']['schema'])}.\n"
    problems = [
        (status, code, line.partition(": ")[2])
        for status, response in operation["responses"].items()
        if _PROBLEM in response.get("content", {})
        for line in response["description"].splitlines()
        for code in re.findall(r"^- `(\w+)`", line)
    ]
    yield _table(
        ("Status", "Code", "Error"),
        ((status, f"[`{code}`](#errors)", meaning) for status, code, meaning in problems),
    )


def curl(method: str, path: str, operation: Schema) -> str:
    """Return a command that makes the first example of an operation's request."""
    examples = {each["name"]: each["schema"]["examples"][0] for each in operation.get("parameters", ())}
    url = BASE + (path.replace("{session_id}", "$SESSION") if path == _OFFER else path.format(**examples))
    parts = ["curl"]
    if _EVENTS in operation["responses"].get("200", {}).get("content", {}):
        parts.append("--no-buffer")
    if method != "GET":
        parts.append(f"--request {method}")
    lines = [" ".join([*parts, f'"{url}"' if "$" in url else url])]
    if operation.get("security", [{}])[0].keys() == {"key"}:
        lines.append('--header "Authorization: Bearer $PODLINE_API_KEY"')
    if body := operation.get("requestBody"):
        first = next(iter(body["content"]["application/json"]["examples"].values()))["value"]
        lines.append('--header "Content-Type: application/json"')
        lines.append(f"--data {shlex.quote(json.dumps(first))}")
    elif "415" in operation["responses"]:
        lines.append('--header "Content-Type: application/json"')
    return " \\\n  ".join(lines)


def _success(status: str, about: str, media_type: str, content: Schema) -> Iterator[str]:
    kind = _kind(content["schema"]) if "$ref" in content["schema"] else ""
    yield f"**{status}** {about}{f' Body: {kind}.' if kind else ''}\n"
    shown = next(iter(content["examples"].values()))["value"]
    if media_type == _EVENTS:
        yield f"```text\n{re.sub('data: .*', _shortened, shown).strip()}\n```\n"
    elif isinstance(shown, str):
        yield f"```text\n{shown.strip()}\n```\n"
    else:
        yield f"```json\n{json.dumps(shown, indent=2)}\n```\n"


def _shortened(data: re.Match[str]) -> str:
    session = json.loads(data[0].removeprefix("data: "))
    shown = json.dumps({name: session[name] for name in ("id", "user_id", "phase")})
    return f"data: {shown.removesuffix('}')}, ...}}"


def _objects(schemas: Mapping[str, Schema]) -> Iterator[str]:
    yield "## Objects\n"
    for name, schema in sorted(schemas.items()):
        yield f"### {name}\n\n{_joined(schema['description'])}\n"
        if fields := schema.get("properties"):
            required = schema.get("required", ())
            is_body = not all(each in required for each in fields)
            yield _table(
                ("Field", "Type", "Description"),
                (
                    (
                        f"`{field}`",
                        _kind(part) + (", required" if is_body and field in required else ""),
                        part["description"],
                    )
                    for field, part in fields.items()
                ),
            )


def _errors(examples: Mapping[str, Schema]) -> Iterator[str]:
    yield "## Errors\n\nEach error is a [Problem](#problem).\n"
    shown = examples["session_not_found"]["value"]
    yield f"```json\n{json.dumps(shown, indent=2)}\n```\n"
    yield _table(
        ("Code", "Status", "Example of its detail"),
        (
            (f"`{code}`", str(each["value"]["status"]), each["value"]["detail"])
            for code, each in examples.items()
        ),
    )


def _parameter(parameter: Schema) -> tuple[str, ...]:
    schema = parameter["schema"]
    kind = _kind(schema) + (", required" if parameter.get("required") else "")
    default = f" Default: `{json.dumps(schema['default'])}`." if "default" in schema else ""
    return f"`{parameter['name']}`", parameter["in"], kind, parameter["description"] + default


def _kind(schema: Schema) -> str:
    """Name the type of a value, with links to objects."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if choices := [schema["const"]] if "const" in schema else schema.get("enum"):
        return " or ".join(f"`{each}`" for each in choices)
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_kind(schema['additionalProperties'])} by name"
    kind: str = schema.get("type", "any JSON")
    return {"date-time": "time"}.get(schema.get("format", ""), kind)


def _joined(text: str) -> str:
    """Return a text with each paragraph on one line; lists stay as they are."""
    paragraphs = (each if each.startswith("- ") else " ".join(each.split()) for each in text.split("\n\n"))
    return "\n\n".join(paragraphs)


def _link(title: str) -> str:
    return f"[{title}](#{re.sub(r'[^a-z0-9 -]', '', title.lower()).replace(' ', '-')})"


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Any) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [
        f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in row)} |"
        for row in rows
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    for path, content in generated().items():
        path.write_text(content, encoding="utf-8")
