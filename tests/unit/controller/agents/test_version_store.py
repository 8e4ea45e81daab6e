"""Versions of agents as text: bounded for each and for all, and read back or refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agents.cluster.source import Source
from controller.agents.cluster.version_records import (
    MOST_BYTES,
    decode_agent,
    encode_versions,
    shortened,
    why_unread,
)
from controller.agents.cluster.version_store import CONFIG_MAP
from controller.agents.versions import Versions
from controller.core.agents import AgentDefinition, GoodbyeRule
from controller.core.errors import InvalidRequest
from podline.contract.version import VERSION
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.deploying import deployments
from tests.unit.controller.agents.followed_agents import following
from tests.unit.controller.agents.test_many_agents import stored


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


@given(
    st.lists(st.lists(st.integers(1, 300), min_size=1, max_size=10), min_size=1, max_size=8),
    st.integers(500, 5000),
)
def test_all_agents_fit_into_one_configmap_with_their_active_versions(
    sizes: list[list[int]], most: int
) -> None:
    texts = {
        f"agent-{number}": encode_versions(
            versions_of(*(AgentDefinition(name=f"agent-{number}", job={"x": "y" * size}) for size in each))
        )
        for number, each in enumerate(sizes)
    }

    changed = shortened(texts, most)

    if changed is not None:
        fitting = texts | changed
        assert sum(map(len, fitting.values())) <= most
        for name, text in fitting.items():
            before, after = json.loads(texts[name]), json.loads(text)
            assert after["versions"] == before["versions"][-len(after["versions"]) :]
            assert {**after, "versions": 0} == {**before, "versions": 0}
    else:
        least = [json.loads(text) for text in texts.values()]
        short = [encode_versions_of({**each, "versions": each["versions"][-1:]}) for each in least]
        assert sum(map(len, short)) > most


def encode_versions_of(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"))


def test_what_nobody_understands_is_left_as_it_is() -> None:
    assert shortened({"a": "x" * 50, "b": "y" * 50}, 100) == {}
    assert shortened({"a": "x" * 50, "b": "y" * 51}, 100) is None


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


def of_later_release(versions: Versions, source: Source | None = None) -> dict[str, Any]:
    """A record with fields that only a later release knows, at each level."""
    record: dict[str, Any] = json.loads(encode_versions(versions, source))
    record["canary"] = {"share": 0.1}
    for each in record["versions"]:
        each["by"] = "ana"
        each["definition"]["warm"] = {"least": each["serial"]}
    if "deployed" in record:
        record["deployed"]["by"] = "bo"
    return record


def test_what_only_a_later_release_knows_of_versions_is_kept() -> None:
    source = Source(agent="clerk", files={"pcc-deploy.toml": "x"}, redeploy="at noon")
    versions = versions_of(AgentDefinition(name="clerk"), WHOLE)
    former = of_later_release(versions, source)
    found = decode_agent("clerk", json.dumps(former))
    assert found is not None

    same = json.loads(encode_versions(*found, json.dumps(former)))
    found[0].deploy(AgentDefinition(name="clerk", image="clerk:2"), "")
    grown = json.loads(encode_versions(found[0], replace(source, redeploy="at one"), json.dumps(former)))

    assert same == former
    assert grown["canary"] == former["canary"]
    assert grown["versions"][:2] == former["versions"]
    assert grown["versions"][2] == {"serial": 3, "definition": {"name": "clerk", "image": "clerk:2"}}
    assert "by" not in grown["deployed"], "another deployment"


def test_shortening_keeps_what_only_a_later_release_knows() -> None:
    record = of_later_release(versions_of(AgentDefinition(name="clerk"), WHOLE))
    text = json.dumps(record, separators=(",", ":"))

    changed = shortened({"clerk": text}, len(text) - 1)

    assert changed is not None
    assert json.loads(changed["clerk"]) == {**record, "versions": record["versions"][1:]}


def test_versions_in_a_contract_that_is_not_spoken_are_neither_read_nor_shortened() -> None:
    text = json.dumps(
        {**json.loads(encode_versions(versions_of(AgentDefinition(name="clerk"), WHOLE))), "contract": 2}
    )

    assert why_unread(text) == f"is contract 2, but Podline {VERSION} speaks 1"
    assert decode_agent("clerk", text) is None
    assert shortened({"clerk": text}, 10) is None


async def test_what_another_release_has_to_write_is_not_written_over(server: ApiServer) -> None:
    text = json.dumps({"next": 7, "contract": 2, "versions": "in another way"})
    server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": {"clerk": text}})

    async with following(server) as followed:
        with pytest.raises(InvalidRequest, match="as another release of Podline wrote them"):
            await deployments(followed).deploy("clerk", {"pcc-deploy.toml": 'image = "a:1"\n'}, again=False)
        await deployments(followed).deploy("porter", {"pcc-deploy.toml": 'image = "a:1"\n'}, again=False)
        await followed.until(lambda: "versions" in stored(server).get("porter", {}))

    assert server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]["clerk"] == text
