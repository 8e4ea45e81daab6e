"""The API's description says what each operation, field, parameter, header and status is, and shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from controller.composition import compose
from controller.core.errors import ControllerError
from controller.web.openapi.errors import problem_examples
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

DOCUMENT: dict[str, Any] = compose(settings_of(), fake_parts()).openapi()
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: operation for path in DOCUMENT["paths"].values() for operation in path.values()
}
WORDS = 2
"""A description of fewer says no more than the name."""


def described(part: dict[str, Any]) -> bool:
    return len(part.get("description", "").split()) >= WORDS


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each body of a request or response: its operation and status, its media type, its content."""
    for name, operation in OPERATIONS.items():
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for status, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{name} {status}", media_type, content


def values(content: dict[str, Any]) -> list[Any]:
    """Return the examples of a content."""
    shown = content.get("examples", {}).values()
    return [resolved(each)["value"] for each in shown]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    found: Any = part
    if "$ref" in part:
        found = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    assert isinstance(found, dict)
    return found


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return [each.message for each in Draft202012Validator(whole).iter_errors(value)]


def events(stream: str) -> list[dict[str, str]]:
    """Return the events of a stream; its comments are none."""
    blocks = [block.splitlines() for block in stream.strip().split("\n\n")]
    fields = [dict(line.split(": ", 1) for line in block if not line.startswith(":")) for block in blocks]
    return [each for each in fields if each]


def seen_in(value: Any, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (schema, field) of all that an example shows."""
    for part in schema.get("anyOf", ()) or schema.get("allOf", ()):
        yield from seen_in(value, part)
    name = schema.get("$ref", "").rpartition("/")[2]
    whole = resolved(schema)
    if isinstance(value, list) and "items" in whole:
        for each in value:
            yield from seen_in(each, whole["items"])
    if not isinstance(value, dict):
        return
    for field, part in whole.get("properties", {}).items():
        if field in value:
            yield name, field
            yield from seen_in(value[field], part)
    extra = whole.get("additionalProperties")
    if isinstance(extra, dict):
        for each in value.values():
            yield from seen_in(each, extra)


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_says_what_it_does_and_who_may_call_it(name: str) -> None:
    operation = OPERATIONS[name]
    tags = {tag["name"] for tag in DOCUMENT["tags"] if described(tag)}

    assert operation["summary"]
    assert operation["summary"] != name.replace("_", " ").title(), "FastAPI's own"
    assert set(operation["tags"]) <= tags
    *what, access = operation["description"].split("\n\n")
    assert what
    assert access.startswith(("Needs ", "Anybody "))


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_parameter_header_and_status_is_described_and_shown(name: str) -> None:
    operation = OPERATIONS[name]
    headers = [
        each for response in operation["responses"].values() for each in response.get("headers", {}).values()
    ]
    for each in (*operation.get("parameters", ()), *headers):
        assert described(each), each
        assert "example" in each or each["schema"]["examples"], each
    for status, response in operation["responses"].items():
        assert described(response), status
        assert response["description"] not in ("Successful Response", "Validation Error"), status


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_and_field_is_described(name: str) -> None:
    assert described(SCHEMAS[name])
    for field, schema in SCHEMAS[name].get("properties", {}).items():
        assert described(schema), field


@pytest.mark.parametrize("scheme", DOCUMENT["components"]["securitySchemes"])
def test_each_kind_of_key_is_described(scheme: str) -> None:
    assert described(DOCUMENT["components"]["securitySchemes"][scheme])


@pytest.mark.parametrize(("where", "media_type", "content"), list(contents()))
def test_each_body_has_examples_that_are_valid(where: str, media_type: str, content: dict[str, Any]) -> None:
    assert values(content), where
    for value in values(content):
        assert faults(value, content["schema"]) == []
        if media_type == "text/event-stream":
            item = content["itemSchema"]
            assert all(described(each) for each in item["properties"].values())
            for event in events(value):
                assert faults(event, item) == []
                assert faults(json.loads(event["data"]), item["properties"]["data"]["contentSchema"]) == []


def test_each_field_is_in_an_example() -> None:
    shown = {
        each
        for _, _, content in contents()
        for value in values(content)
        for each in seen_in(value, content["schema"])
    }
    fields = {(name, field) for name, schema in SCHEMAS.items() for field in schema.get("properties", {})}
    assert fields - shown == set()


def test_each_error_has_an_example_with_its_status_and_title() -> None:
    kinds = {each.code: each for each in concrete(ControllerError)}
    shown = {code: example["value"] for code, example in problem_examples().items()}

    assert shown.keys() == kinds.keys()
    for code, problem in shown.items():
        assert (problem["code"], problem["status"]) == (code, kinds[code].status)
        assert problem["title"] == kinds[code].title


def test_no_example_has_a_secret() -> None:
    """What looks like one says what it stands for, in capitals."""
    secrets = set(secrets_in(DOCUMENT))
    assert secrets
    assert {each for each in secrets if each != each.upper()} == set()


def secrets_in(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            if name.lower().endswith(("token", "credential", "password")) and isinstance(value, str):
                yield value
            if name == "sessionId" and isinstance(value, str):
                yield value.partition("~")[2]
            yield from secrets_in(value)
    if isinstance(part, list):
        for each in part:
            yield from secrets_in(each)


def concrete(kind: type[ControllerError]) -> Iterator[type[ControllerError]]:
    for each in kind.__subclasses__():
        yield each
        yield from concrete(each)
