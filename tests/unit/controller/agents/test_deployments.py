"""Agents that are deployed through the API: started dry, refused, rolled back, removed, and kept."""

from __future__ import annotations

import pytest

from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.agents import AgentVersion, DryStartOutcome
from controller.core.errors import (
    AgentDefinedByFile,
    AgentInvalid,
    AgentNotFound,
    Forbidden,
    InvalidRequest,
    RuntimeUnavailable,
    VersionNotFound,
)
from testing.fakes.controllers.secret_sets import MemorySecretSets
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.deploying import (
    IMAGE,
    Starts,
    claimed,
    deploy,
    deployed,
    deployments,
    image,
    settled,
    stored,
)
from tests.unit.controller.agents.followed_agents import define, following


async def test_a_version_takes_calls_once_its_bot_has_started_dry(server: ApiServer) -> None:
    starts = Starts()
    starts.may_end.clear()
    async with following(server, start_dry=starts) as followed:
        await deploy(followed, "1")
        with pytest.raises(AgentInvalid, match="is still being started") as refused:
            followed.agents.current("clerk")
        starts.may_end.set()
        await settled(followed)

        assert refused.value.retry_after == 5
        assert image(followed) == "registry.example.com/clerk:1"
        assert followed.status().defined_by is None
        assert followed.status().notes == ("bot.py, line 3, reads the variable X, which is not set.",)


async def test_the_former_version_takes_calls_until_then(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        starts.may_end.clear()
        await deploy(followed, "2")
        during = image(followed)
        starts.may_end.set()
        await settled(followed)

        assert (during, image(followed)) == ("registry.example.com/clerk:1", "registry.example.com/clerk:2")


async def test_a_bot_that_can_t_start_is_refused_with_its_error_and_can_be_deployed_again(
    server: ApiServer,
) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        await deployed(followed, "broken")
        refused, active = followed.status().problem, image(followed)
        starts.is_repaired = True
        await deployed(followed, "broken")

        assert (refused, active) == ("bot.py can't be imported.", "registry.example.com/clerk:1")
        assert (followed.status().problem, image(followed)) == (None, "registry.example.com/clerk:broken")


async def test_what_the_cluster_had_no_room_for_is_started_again_by_itself(server: ApiServer) -> None:
    outcomes = [DryStartOutcome(problem="No node had room.", may_pass=True), DryStartOutcome()]

    async def start_dry(_version: AgentVersion) -> DryStartOutcome:
        return outcomes.pop(0)

    async with following(server, start_dry=start_dry) as followed:
        await deploy(followed, "1")
        await followed.until(lambda: followed.status().version is not None)

        assert [each.problem for each in followed.changes] == ["No node had room.", None]


async def test_a_later_deployment_gives_up_the_one_that_is_being_started(server: ApiServer) -> None:
    starts = Starts()
    starts.may_end.clear()
    async with following(server, start_dry=starts) as followed:
        await deploy(followed, "1")
        await deploy(followed, "2")
        starts.may_end.set()
        await settled(followed)

        assert image(followed) == "registry.example.com/clerk:2"
        assert followed.version().startswith("1-")


async def test_the_same_again_starts_nothing_unless_it_is_forced(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        await deploy(followed, "1")
        unforced = list(starts.begun)
        await deployed(followed, "1", again=True)

        assert [each[:2] for each in unforced] == ["1-"]
        assert [each[:2] for each in starts.begun] == ["1-", "2-"]
        assert followed.version().startswith("2-")


async def test_a_rollback_is_active_at_once_as_a_version_of_its_own(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        for tag in ("1", "2", "3"):
            await deployed(followed, tag, podline="idle_seconds = 7\n")
        first = followed.agents.versions("clerk")[0].id
        await deployments(followed).roll_back("clerk", None)
        former = image(followed)
        await deployments(followed).roll_back("clerk", first)

        assert (former, image(followed)) == ("registry.example.com/clerk:2", "registry.example.com/clerk:1")
        assert followed.version().startswith("5-")
        assert followed.agents.current("clerk").definition.idle_seconds == 7
        assert len(starts.begun) == 3
        with pytest.raises(VersionNotFound, match="has no version '9-abc' that is kept"):
            await deployments(followed).roll_back("clerk", "9-abc")


async def test_deployments_survive_a_restart(server: ApiServer) -> None:
    async with following(server, start_dry=Starts()) as followed:
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)
        version = followed.version()
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        assert followed.version() == version
        assert starts.begun == []
        await deployments(followed).remove("clerk")
        with pytest.raises(AgentNotFound):
            followed.agents.current("clerk")
    async with following(server, start_dry=starts) as followed:
        assert [each.name for each in followed.agents.all()] == ["shopping"]


async def test_an_operators_configmap_is_left_alone(server: ApiServer) -> None:
    define(server, deploy=IMAGE % "1")
    async with following(server) as followed:
        await followed.until(lambda: followed.changes)
        for change in (
            deploy(followed, "2"),
            deployments(followed).roll_back("clerk", None),
            deployments(followed).remove("clerk"),
        ):
            with pytest.raises(AgentDefinedByFile, match="is defined by the ConfigMap agent-clerk"):
                await change


async def test_a_configmap_of_the_same_name_waits_until_the_deployment_is_removed(server: ApiServer) -> None:
    async with following(server) as followed:
        await deployed(followed, "1")
        define(server, deploy=IMAGE % "operators")
        await followed.until(lambda: server.objects.all("events", "podline"))
        during = image(followed)
        await deployments(followed).remove("clerk")
        await followed.until(lambda: followed.status().version is not None)
        await followed.until(lambda: image(followed) == "registry.example.com/clerk:operators")

        assert during == "registry.example.com/clerk:1"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"pcc-deploy.toml": "image = 1"}, "pcc-deploy.toml: image: write an image"),
        ({"pcc-deploy.toml": 'agent_name = "usher"'}, "write 'clerk', which is the name that is deployed"),
        (
            {"podline.toml": "[job.spec]\nactiveDeadlineSeconds = 9"},
            "only an operator's definition may patch",
        ),
        ({"podline.toml": 'panel = "cards"'}, "panel"),
    ],
)
async def test_what_a_deployment_may_not_say_is_refused(
    server: ApiServer, files: dict[str, str], said: str
) -> None:
    async with following(server) as followed:
        with pytest.raises(InvalidRequest, match=said):
            await deployments(followed).deploy("clerk", files, again=False)
        assert [each.name for each in followed.agents.all()] == ["shopping"]


async def test_a_deployment_that_can_t_be_stored_is_no_deployment(server: ApiServer) -> None:
    async with following(server) as followed:
        await claimed(server)
        server.misbehave("refuse", method="PATCH", path=CONFIG_MAP, times=1, status=403)
        with pytest.raises(RuntimeUnavailable, match="could not be stored"):
            await deploy(followed, "1")
        with pytest.raises(AgentNotFound):
            followed.agents.current("clerk")


@pytest.mark.parametrize(
    ("deploy", "said"),
    [
        ('secret_set = "podline-controller"', "there is no secret set 'podline-controller'; write it with"),
        ('secret_set = "registry"', "the set 'registry' holds image credentials"),
        ('image_credentials = "keys"', "the set 'keys' holds variables"),
        ('image_credentials = "ghost"', "secrets image-pull-secret ghost REGISTRY"),
    ],
)
async def test_only_sets_of_the_api_can_be_named(server: ApiServer, deploy: str, said: str) -> None:
    sets = await some_sets()
    async with following(server) as followed:
        cluster = deployments(followed, sets)
        with pytest.raises(InvalidRequest, match=said):
            await cluster.deploy("clerk", {"pcc-deploy.toml": deploy}, again=False)


async def test_a_key_of_some_agents_names_no_set_that_is_not_its_agents_already(server: ApiServer) -> None:
    mine = {"pcc-deploy.toml": IMAGE % "1" + 'secret_set = "keys"\n'}
    others = {"pcc-deploy.toml": IMAGE % "2" + 'secret_set = "others"\n'}
    async with following(server) as followed:
        cluster = deployments(followed, await some_sets())
        with pytest.raises(Forbidden, match="may name only the secret sets that"):
            await cluster.deploy("clerk", mine, again=False, may_choose_secrets=False)
        await cluster.deploy("clerk", mine, again=False)
        await settled(followed)
        await cluster.deploy("clerk", mine, again=True, may_choose_secrets=False)
        await settled(followed)
        with pytest.raises(Forbidden, match="may name only the secret sets that"):
            await cluster.deploy("clerk", others, again=False, may_choose_secrets=False)

        assert followed.version().startswith("2-")


async def some_sets() -> MemorySecretSets:
    sets = MemorySecretSets()
    for name in ("keys", "others"):
        await sets.put(name, "A", "1")
    await sets.put_image_credentials("registry", "registry.example.com", "bWU6cGFzcw==")
    return sets
