"""Versions of agents as text: bounded, and read back or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agents.source import Source
from controller.agents.version_store import MOST_BYTES, decode_agent, encode_versions
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

    found = decode_agent("clerk", encode_versions(versions))

    assert found is not None
    read, _ = found
    assert [(each.id, each.definition) for each in read.kept] == [
        (each.id, each.definition) for each in versions.kept
    ]
    assert (read.next_serial, read.deployment, read.has(WHOLE, "")) == (3, "", True)


def test_what_was_deployed_through_the_api_is_kept_with_its_files() -> None:
    files = {"pcc-deploy.toml": 'image = "clerk:1"\n'}
    source = Source(agent="clerk", files=files, redeploy="at noon", rollback="1-abc")
    versions = Versions()
    versions.deploy(AgentDefinition(name="clerk", image="clerk:1"), "at noon", files)

    found = decode_agent("clerk", encode_versions(versions, source))

    assert found is not None
    assert found[1] == source
    assert [each.files for each in found[0].kept] == [files]


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
    assert decode_agent("clerk", text) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    decode_agent("clerk", text)
