"""Two controllers write agents and secret sets: the former one's last writes lose and undo nothing."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.agents.cluster.secret_sets import CONFIG_MAP as SECRET_SETS
from controller.agents.cluster.secret_sets import ClusterSecretSets, secret_name
from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.errors import RuntimeUnavailable
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from testing.fakes.kubernetes.api_server import ApiRequest, ApiServer
from tests.unit.controller.agents.deploying import (
    IMAGE,
    Starts,
    claimed,
    deploy,
    deployed,
    image,
    stored,
)
from tests.unit.controller.agents.followed_agents import following
from tests.unit.controller.runtimes.kubernetes.serving import api_to


def is_write(asked: ApiRequest) -> bool:
    return asked.method == "PATCH" and asked.path.endswith(CONFIG_MAP)


def claim(server: ApiServer) -> str | None:
    annotations: dict[str, str] = server.objects.get("configmaps", "podline", CONFIG_MAP)["metadata"].get(
        "annotations", {}
    )
    return annotations.get(names.CLAIM)


def write_late(server: ApiServer, record: Any, name: str = "clerk") -> None:
    """Let a write of a former controller take effect now."""
    server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": {name: json.dumps(record)}})


# --- agents ---


async def test_a_write_that_was_under_way_at_the_take_over_is_refused(server: ApiServer) -> None:
    is_leader = True
    async with following(server, may_write=lambda: is_leader) as former:
        await deployed(former, "1")
        await former.until(lambda: stored(server)["next"] == 2)
        before = claim(server)
        slow = server.misbehave("wait", method="PATCH", path=CONFIG_MAP)
        sent = sum(map(is_write, server.asked))
        deploying = asyncio.create_task(deploy(former, "2"))
        await server.until_asked(is_write, sent + 1)
        is_leader = False
        async with following(server) as heir:
            await heir.until(lambda: claim(server) != before)
            slow.let_go.set()
            with pytest.raises(RuntimeUnavailable, match="not the leader, so it wrote nothing"):
                await deploying

            assert image(heir) == "registry.example.com/clerk:1"
            assert stored(server)["deployed"]["files"]["pcc-deploy.toml"] == IMAGE % "1"


async def test_what_was_stored_before_the_next_controller_wrote_is_taken_up_by_it(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as former:
        await deployed(former, "1")
        await former.until(lambda: stored(server)["next"] == 2)
        slow = server.misbehave("wait", method="PATCH", path=CONFIG_MAP)
        sent = sum(map(is_write, server.asked))
        async with following(server) as heir:
            await server.until_asked(is_write, sent + 1)
            starts.may_end.clear()
            await deploy(former, "2")
            slow.let_go.set()
            await heir.until(lambda: image(heir) == "registry.example.com/clerk:2")

            assert heir.version().startswith("2-")
            assert [each.serial for each in heir.agents.versions("clerk")] == [1, 2]


async def test_an_agent_that_the_former_controller_removed_last_is_gone(server: ApiServer) -> None:
    async with following(server) as heir:
        await deployed(heir, "1")
        await heir.until(lambda: stored(server)["next"] == 2)
        write_late(server, {"next": 2})
        with pytest.raises(RuntimeUnavailable, match="Another controller has changed this agent meanwhile"):
            await deploy(heir, "2")
        await heir.until(lambda: heir.agents.source("clerk") is None)
        await deployed(heir, "3")

        assert heir.version().startswith("2-")


async def test_no_serial_number_is_given_twice(server: ApiServer) -> None:
    async with following(server) as heir:
        await deployed(heir, "1")
        await heir.until(lambda: stored(server)["next"] == 2)
        before = stored(server)
        server.misbehave("refuse", method="PATCH", path=CONFIG_MAP, after=1, times=1)
        await deployed(heir, "2")
        accepted = heir.agents.current("clerk")
        late = IMAGE % "3"
        write_late(server, before | {"deployed": {"files": {"pcc-deploy.toml": late}}})
        await heir.until(lambda: image(heir) == "registry.example.com/clerk:3")
        await heir.until(lambda: stored(server)["next"] == 4)

        assert accepted.id.startswith("2-")
        assert heir.version().startswith("3-")
        assert heir.agents.version("clerk", accepted.id) == accepted


async def test_a_change_that_is_not_the_agents_delays_no_deployment(server: ApiServer) -> None:
    async with following(server) as followed:
        await claimed(server)
        server.objects.patch("configmaps", "podline", CONFIG_MAP, {"metadata": {"labels": {"by": "kubectl"}}})
        write_late(server, {"next": 7}, "usher")
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)

        assert stored(server, "usher") == {"next": 7}


async def test_records_that_somebody_has_lost_are_written_again(server: ApiServer) -> None:
    async with following(server) as followed:
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)
        before = stored(server)
        server.objects.patch("configmaps", "podline", CONFIG_MAP, {"data": None})
        await deployed(followed, "1", "usher")
        await followed.until(lambda: stored(server) == before)


# --- secret sets ---


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[NamespaceClient]:
    async with api_to(server) as api:
        yield NamespaceClient(api, "podline")


async def loaded(client: NamespaceClient) -> ClusterSecretSets:
    sets = ClusterSecretSets(client, system_clock().now, random.Random(1))  # noqa: S311 - spreads pauses
    await sets.load()
    return sets


def secret_versions(server: ApiServer) -> dict[str, str]:
    secrets = server.objects.all("secrets", "podline")
    return {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in secrets}


@pytest.mark.parametrize("change", ["replace", "add", "remove a key", "remove"])
async def test_a_former_controller_touches_no_secret_of_a_set_that_the_next_one_has_changed(
    server: ApiServer, client: NamespaceClient, change: str
) -> None:
    former = await loaded(client)
    await former.put("keys", "A", "1")
    heir = await loaded(client)
    await heir.put("keys", "A", "2")
    before = secret_versions(server)
    late = {
        "replace": former.put("keys", "A", "1 again"),
        "add": former.put("keys", "B", "1"),
        "remove a key": former.remove_key("keys", "A"),
        "remove": former.remove("keys"),
    }
    changing = late.pop(change)
    for each in late.values():
        each.close()
    with pytest.raises(RuntimeUnavailable, match="Another controller has changed this secret set meanwhile"):
        await changing

    assert secret_versions(server) == before
    assert former.all() == heir.all()


async def test_another_set_than_the_one_that_was_changed_can_be_written_at_once(
    server: ApiServer, client: NamespaceClient
) -> None:
    first, second = await loaded(client), await loaded(client)
    await first.put("keys", "A", "1")
    await second.put("others", "A", "1")

    assert [each.name for each in second.all()] == ["keys", "others"]


async def test_a_set_that_was_written_before_the_next_controller_wrote_is_known_to_it(
    server: ApiServer, client: NamespaceClient
) -> None:
    former, heir = await loaded(client), await loaded(client)
    await former.put("keys", "A", "1")
    await heir.claim()

    assert heir.secrets_of("keys") == (secret_name("keys", "A"),)
    assert names.CLAIM in server.objects.get("configmaps", "podline", SECRET_SETS)["metadata"]["annotations"]


async def test_the_index_is_claimed_however_long_that_takes(
    server: ApiServer, client: NamespaceClient
) -> None:
    heir = await loaded(client)
    server.misbehave("refuse", method="PATCH", path=SECRET_SETS, times=1)
    await heir.claim()

    assert len([each for each in server.asked if each.method == "PATCH"]) == 2
