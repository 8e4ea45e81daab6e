"""More definitions than one ConfigMap can hold: the oldest versions go, and then deployments are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.agents.cluster.source import Source
from controller.agents.cluster.version_records import MOST_BYTES_OF_ALL, encode_versions
from controller.agents.cluster.version_store import CONFIG_MAP
from controller.agents.versions import Versions
from controller.core.errors import InvalidRequest
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.deploying import deployments
from tests.unit.controller.agents.followed_agents import following

CLERK = {"pcc-deploy.toml": 'image = "clerk:1"\n' + "# a comment\n" * 1000}


def fill(server: ApiServer, versions_each: int, comment_bytes: int) -> int:
    """Store as many agents as fit. Return how many there are."""
    texts: dict[str, str] = {}
    while True:
        name = f"agent-{len(texts)}"
        versions, source = Versions(), Source(agent=name, files={})
        for number in range(versions_each):
            files = {"pcc-deploy.toml": f'image = "a:{number}"\n# {"x" * comment_bytes}\n'}
            source = Source(agent=name, files=files)
            versions.deploy(source.read().definition, "", files)
        texts[name] = encode_versions(versions, source)
        if sum(map(len, texts.values())) > MOST_BYTES_OF_ALL:
            del texts[name]
            # What somebody else wrote counts too.
            texts["other"] = json.dumps("x" * (MOST_BYTES_OF_ALL - sum(map(len, texts.values())) - 2))
            server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": texts})
            return len(texts) - 1


def stored(server: ApiServer) -> dict[str, Any]:
    data = server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]
    return {name: json.loads(text) for name, text in data.items() if name != "other"}


async def test_former_versions_of_the_longest_make_room(server: ApiServer) -> None:
    many = fill(server, 5, 8000)
    active = {name: each["versions"][-1] for name, each in stored(server).items()}
    async with following(server) as followed:
        await deployments(followed).deploy("clerk", CLERK, again=False)
        await followed.until(lambda: "versions" in stored(server)["clerk"])

    found = stored(server)
    assert len(found) == many + 1
    assert {name: each["versions"][-1] for name, each in found.items() if name != "clerk"} == active
    assert {len(each["versions"]) for name, each in found.items() if name != "clerk"} == {4, 5}


async def test_a_deployment_without_room_is_refused_until_there_is_some(server: ApiServer) -> None:
    many = fill(server, 1, 20_000)
    async with following(server) as followed:
        with pytest.raises(InvalidRequest, match="no room for another definition: remove an agent"):
            await deployments(followed).deploy("clerk", CLERK, again=False)
        assert [each.name for each in followed.agents.all()].count("clerk") == 0
        await deployments(followed).remove("agent-0")
        await deployments(followed).deploy("clerk", CLERK, again=False)
        await followed.until(lambda: "versions" in stored(server)["clerk"])

    # Of the one that was removed, the next serial number stays.
    assert len(stored(server)) == many + 1
