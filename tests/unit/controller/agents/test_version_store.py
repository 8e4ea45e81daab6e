"""Versions of agents as text: bounded, and read back or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agents.version_store import MOST_BYTES, decode_versions, encode_versions
from controller.agents.versions import Versions
from controller.core.agents import AgentDefinition, GoodbyeRule


def versions_of(*definitions: AgentDefinition) -> Versions:
    versions = Versions()
    for definition in definitions:
        versions.deploy(definition, "")
    return versions


WHOLE = AgentDefinition(
    name="clerk",
    image="clerk:1",
    rooms=("daily",),
    goodbye=GoodbyeRule(sentence="Bye."),
    job={"spec": {"template": {"spec": {"tolerations": [{"key": "gpu"}]}}}},
)


def test_what_was_written_is_read() -> None:
    versions = versions_of(AgentDefinition(name="clerk"), WHOLE)

    read = decode_versions("clerk", encode_versions(versions))

    assert read is not None
    assert [(each.id, each.definition) for each in read.kept] == [
        (each.id, each.definition) for each in versions.kept
    ]
    assert (read.next_serial, read.deployment, read.has(WHOLE, "")) == (3, "", True)


def test_of_too_much_the_newest_stays() -> None:
    large = [AgentDefinition(name="clerk", job={"x": f"{number}" * 20_000}) for number in range(9)]

    text = encode_versions(versions_of(*large))

    assert len(text) <= MOST_BYTES
    assert [each["serial"] for each in json.loads(text)["versions"]] == [7, 8, 9]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"next": "1"}',
        '{"next": 1, "versions": [{"serial": 1, "definition": {"image": 5}}]}',
        '{"next": 1, "versions": [{"serial": 1, "definition": {"name": "clerk", "rooms": ["sea"]}}]}',
        '{"next": 1, "versions": [{"serial": 1, "definition": {"name": "another"}}]}',
        "[" * 5000,
    ],
)
def test_what_somebody_changed_beyond_recognition_is_left_out(text: str) -> None:
    assert decode_versions("clerk", text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    decode_versions("clerk", text)
