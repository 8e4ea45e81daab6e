"""Agents in ConfigMaps: the valid become versions, the others are reported, and both outlive a restart."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.agents import AgentStatus
from controller.core.errors import AgentInvalid, AgentNotFound
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.followed_agents import Followed, define, following


def change(server: ApiServer, deploy: str, name: str = "agent-clerk", **metadata: Any) -> None:
    server.objects.patch(
        "configmaps", "podline", name, {"data": {"pcc-deploy.toml": deploy}, "metadata": metadata}
    )


def stored(server: ApiServer, name: str = "clerk") -> Any:
    data = server.objects.get("configmaps", "podline", CONFIG_MAP).get("data", {})
    return json.loads(data[name]) if name in data else None


def events(server: ApiServer) -> list[str]:
    return [each["message"] for each in server.objects.all("events", "podline")]


def is_at(followed: Followed, serial: int) -> bool:
    return followed.version().startswith(f"{serial}-")


IMAGE = 'image = "registry.example.com/clerk:%d"\n'
NUMBERED = "no_caller_seconds = %d\n"


async def test_an_agent_is_there_from_its_first_valid_definition_to_its_removal(server: ApiServer) -> None:
    async with following(server) as followed:
        assert followed.version("shopping").startswith("1-")
        with pytest.raises(AgentNotFound):
            followed.agents.current("clerk")

        define(server, deploy=IMAGE % 1, podline="idle_seconds = 90\n")
        first = await followed.change()
        change(server, IMAGE % 2)
        second = await followed.change()
        server.objects.delete("configmaps", "podline", "agent-clerk")
        gone = await followed.change()

        assert first.version is not None
        assert (first.version.definition.image, first.version.definition.idle_seconds) == (
            "registry.example.com/clerk:1",
            90,
        )
        assert second.version is not None
        assert (first.version.serial, second.version.serial) == (1, 2)
        assert gone == AgentStatus(name="clerk")
        assert [each.name for each in followed.agents.all()] == ["shopping"]
        # For the sessions that were accepted with it.
        assert followed.agents.version("clerk", first.version.id) == first.version


async def test_a_broken_change_is_reported_and_the_last_valid_version_stays(server: ApiServer) -> None:
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        valid = followed.version()

        change(server, 'image = "no tag"\n')
        await followed.until(lambda: followed.status().problem)

        assert followed.version() == valid
        assert "pcc-deploy.toml: image: write an image with its tag" in str(followed.status().problem)
        await followed.until(lambda: events(server))
        assert events(server) == [followed.status().problem]

        change(server, IMAGE % 1)
        await followed.until(lambda: followed.status().problem is None)
        assert followed.version() == valid


async def test_an_agent_that_never_had_a_valid_definition_is_listed_and_can_t_be_called(
    server: ApiServer,
) -> None:
    define(server, deploy="cpu = 1\n")
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)

        assert followed.status().version is None
        with pytest.raises(AgentInvalid):
            followed.agents.current("clerk")


async def test_versions_and_the_last_valid_one_survive_a_restart(server: ApiServer) -> None:
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        change(server, IMAGE % 2)
        await followed.until(lambda: followed.status().version is not None and stored(server)["next"] == 3)
        kept = [followed.agents.version("clerk", followed.version()), followed.version()]
    change(server, "image = 5\n")

    async with following(server) as followed:
        await followed.until(lambda: followed.status().problem)

        assert [followed.agents.version("clerk", followed.version()), followed.version()] == kept
        assert [each["serial"] for each in stored(server)["versions"]] == [1, 2]
        # A repair to what was active is no deployment; anything else is the next version.
        change(server, IMAGE % 2)
        await followed.until(lambda: followed.status().problem is None)
        assert followed.version() == kept[1]
        change(server, IMAGE % 3)
        await followed.until(lambda: followed.version().startswith("3-"))


async def test_a_rollback_and_a_forced_deployment_are_versions_of_their_own(server: ApiServer) -> None:
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        first = followed.version()
        change(server, IMAGE % 2)
        await followed.until(lambda: followed.version().startswith("2-"))
        change(server, IMAGE % 1)
        await followed.until(lambda: followed.version().startswith("3-"))
        assert followed.version().partition("-")[2] == first.partition("-")[2]

        change(server, IMAGE % 1, annotations={"podline.dev/redeploy": "once more"})
        await followed.until(lambda: followed.version().startswith("4-"))
        assert followed.version().partition("-")[2] == first.partition("-")[2]


async def test_no_more_than_ten_versions_are_kept(server: ApiServer) -> None:
    define(server, podline=NUMBERED % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        first = followed.version()
        for number in range(2, 12):
            patch = {"data": {"podline.toml": NUMBERED % number}}
            server.objects.patch("configmaps", "podline", "agent-clerk", patch)
            await followed.until(partial(is_at, followed, number))
        await followed.until(lambda: stored(server)["next"] == 12)

        assert [each["serial"] for each in stored(server)["versions"]] == list(range(2, 12))
        assert followed.agents.version("clerk", first) is None


async def test_what_the_cluster_refuses_is_not_deployed_until_it_takes_it(server: ApiServer) -> None:
    refusal = server.misbehave(
        "refuse", method="POST", path="/jobs", times=1000, status=403, message="denied: not this image"
    )
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        assert followed.status().version is None
        assert "denied: not this image" in str(followed.status().problem)

        refusal.times = 0
        await followed.until(lambda: followed.status().version is not None)
        assert followed.version().startswith("1-")
        assert followed.status().problem is None


@pytest.mark.parametrize(
    ("deploy", "podline", "said"),
    [
        ('agent_name = "other"', "", "write the value of the ConfigMap's label podline.dev/agent"),
        (
            'secret_set = "Keys_1"',
            "",
            "there is no secret set of this name, so write the name of a Secret of this",
        ),
        ("", "[job.spec]\nbackoffLimit = 3", "`job.spec.backoffLimit`: leave `backoffLimit` out"),
        (
            "",
            '[[job.spec.template.spec.containers]]\nname = "bot"\nenv = [{name = ["x"]}]',
            "a variable needs a `name`, which is a text",
        ),
    ],
)
async def test_what_fits_no_cluster_is_named(server: ApiServer, deploy: str, podline: str, said: str) -> None:
    define(server, deploy=deploy, podline=podline)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)

        assert said in str(followed.status().problem)


async def test_one_agent_has_one_configmap_and_the_other_takes_over_when_it_goes(server: ApiServer) -> None:
    define(server, deploy=IMAGE % 1)
    metadata = {"name": "second", "labels": {"podline.dev/agent": "clerk"}}
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        second = {"metadata": metadata, "data": {"pcc-deploy.toml": IMAGE % 2}}
        server.objects.create("configmaps", "podline", second)
        await followed.until(lambda: events(server))

        assert "the ConfigMap agent-clerk defines the agent 'clerk'" in events(server)[0]
        assert followed.version().startswith("1-")
        server.objects.delete("configmaps", "podline", "agent-clerk")
        await followed.until(lambda: followed.version().startswith("2-"))


async def test_another_label_is_another_agent(server: ApiServer) -> None:
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        change(server, IMAGE % 1, labels={"podline.dev/agent": "usher"})
        await followed.until(lambda: {each.name for each in followed.agents.all()} == {"shopping", "usher"})


async def test_without_the_configmap_of_versions_the_controller_is_not_ready(server: ApiServer) -> None:
    server.objects.delete("configmaps", "podline", CONFIG_MAP)
    async with following(server, until_ready=False) as followed:
        await followed.until(lambda: "apply deploy/base" in str(followed.agents.not_ready_reason()))
        server.objects.create("configmaps", "podline", {"metadata": {"name": CONFIG_MAP}})
        await followed.until(lambda: followed.agents.not_ready_reason() is None)


async def test_versions_that_can_t_be_written_are_written_later(server: ApiServer) -> None:
    server.misbehave("refuse", method="PATCH", path=CONFIG_MAP, times=2, status=403)
    define(server, deploy=IMAGE % 1)
    async with following(server) as followed:
        await followed.until(lambda: stored(server))

        assert stored(server)["next"] == 2
