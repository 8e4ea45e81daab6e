"""Deployments while a controller starts, while others change the agent, and while a bot starts dry."""

from __future__ import annotations

import asyncio
import logging

import pytest

from controller.agents.cluster.version_store import CONFIG_MAP
from controller.core.errors import AgentDefinedByFile, AgentInvalid, AgentNotFound, RuntimeUnavailable
from testing.fakes.kubernetes.api_server import ApiServer
from tests.unit.controller.agents.deploying import (
    IMAGE,
    Starts,
    claimed,
    deploy,
    deployed,
    deployments,
    image,
    stored,
)
from tests.unit.controller.agents.followed_agents import define, following


def writes(server: ApiServer) -> int:
    """How often the versions were written."""
    names = [
        change.after["metadata"]["name"] for change in server.objects.changes if change.after is not None
    ]
    return names.count(CONFIG_MAP) - 1


async def test_nothing_is_changed_before_all_agents_are_known(server: ApiServer) -> None:
    async with following(server) as followed:
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)
    before = stored(server)
    server.misbehave("refuse", method="GET", path=CONFIG_MAP, times=1000)
    async with following(server, until_ready=False) as followed:
        await server.until_asked(lambda asked: asked.path.endswith(CONFIG_MAP) and asked.method == "GET", 2)
        for change in (
            deploy(followed, "2"),
            deployments(followed).roll_back("clerk", None),
            deployments(followed).remove("clerk"),
        ):
            with pytest.raises(RuntimeUnavailable, match="The agents are not known right now"):
                await change

    assert stored(server) == before


async def test_an_operators_agent_that_is_not_listed_yet_is_left_alone(server: ApiServer) -> None:
    define(server, deploy=IMAGE % "operators")
    listing = server.misbehave("refuse", method="GET", path="/configmaps", times=1000)
    async with following(server, until_ready=False) as followed:
        await server.until_asked(lambda asked: asked.path.endswith("/configmaps"))
        with pytest.raises(RuntimeUnavailable):
            await deploy(followed, "2")
        listing.times = 0
        await followed.until(lambda: followed.agents.not_ready_reason() is None)
        await followed.until(lambda: stored(server))

        assert image(followed) == "registry.example.com/clerk:operators"
        assert "deployed" not in stored(server)


async def test_what_two_people_do_at_once_ends_as_one_after_the_other(server: ApiServer) -> None:
    """One removes the deployment, so that an operator's ConfigMap takes over; the others come too late."""
    async with following(server) as followed:
        await deployed(followed, "1")
        define(server, deploy=IMAGE % "operators")
        await followed.until(lambda: server.objects.all("events", "podline"))
        done = await asyncio.gather(
            deployments(followed).remove("clerk"),
            deployments(followed).remove("clerk"),
            deploy(followed, "2"),
            deployments(followed).roll_back("clerk", None),
            return_exceptions=True,
        )
        await followed.until(lambda: image(followed) == "registry.example.com/clerk:operators")

        assert [type(each) for each in done] == [type(None), *[AgentDefinedByFile] * 3]
        assert "deployed" not in stored(server)


async def test_a_write_that_is_under_way_does_not_undo_a_later_deployment(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await claimed(server)
        slow = server.misbehave("wait", method="PATCH", path=CONFIG_MAP, after=1)
        await deployed(followed, "1")
        await server.until_asked(lambda asked: asked.method == "PATCH", 3)
        starts.may_end.clear()
        deploying = asyncio.create_task(deploy(followed, "2"))
        # Without an order between the two, this one is written first.
        await asyncio.wait([deploying], timeout=0.1)
        slow.let_go.set()
        await deploying
        await followed.until(lambda: writes(server) == 4)

        assert stored(server)["deployed"]["files"]["pcc-deploy.toml"] == IMAGE % "2"


async def test_a_deployment_that_was_stored_unnoticed_is_taken_back(server: ApiServer) -> None:
    async with following(server) as followed:
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)
        before = stored(server)
        for name in ("clerk", "usher"):
            server.misbehave("reset_after", method="PATCH", path=CONFIG_MAP)
            with pytest.raises(RuntimeUnavailable, match="could not be stored"):
                await deploy(followed, "2", name)
            await followed.until(lambda: stored(server) == before and stored(server, "usher") is None)


async def test_a_deployment_that_was_being_started_is_started_again_by_the_next_controller(
    server: ApiServer,
) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)
        starts.may_end.clear()
        await deploy(followed, "2")
        during = followed.version()
    async with following(server, start_dry=starts) as followed:
        assert followed.version() == during
        assert followed.status().deploying is not None
        starts.may_end.set()
        await followed.until(lambda: image(followed) == "registry.example.com/clerk:2")

    assert [each[:2] for each in starts.begun] == ["1-", "2-", "2-"]


async def test_an_agent_that_was_removed_comes_back_only_by_a_start_of_its_own(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        first = followed.version()
        await deployments(followed).remove("clerk")
        await deployed(followed, "broken")
        with pytest.raises(AgentInvalid):
            followed.agents.current("clerk")
        await deployed(followed, "1")

        assert [each[:2] for each in starts.begun] == ["1-", "2-", "2-"]
        assert [each.id for each in followed.agents.versions("clerk")] == [followed.version()]
        # For the sessions that were accepted with it.
        assert followed.agents.version("clerk", first) is not None


async def test_an_agent_that_is_removed_while_its_bot_starts_is_gone(server: ApiServer) -> None:
    starts = Starts()
    starts.may_end.clear()
    async with following(server, start_dry=starts) as followed:
        await deploy(followed, "1")
        await deployments(followed).remove("clerk")
        starts.may_end.set()
        with pytest.raises(AgentNotFound):
            followed.agents.current("clerk")

    assert stored(server) is None


async def test_the_built_in_agent_takes_calls_until_another_version_of_it_can(server: ApiServer) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        built_in = followed.version("shopping")
        await deployed(followed, "broken", "shopping")
        refused = followed.status("shopping")
        kept = followed.version("shopping")
        await deployed(followed, "1", "shopping")
        taken = image(followed, "shopping")
        await deployments(followed).remove("shopping")

        assert (kept, refused.version and refused.version.id) == (built_in, built_in)
        assert refused.problem == "bot.py can't be imported."
        assert taken == "registry.example.com/clerk:1"
        assert followed.version("shopping") == built_in
        with pytest.raises(AgentDefinedByFile, match="defined by bot/bot"):
            await deployments(followed).remove("shopping")


async def test_each_problem_is_the_one_of_the_latest_definition(server: ApiServer) -> None:
    define(server, deploy=IMAGE % "broken")
    async with following(server, start_dry=Starts()) as followed:
        await followed.until(lambda: followed.status().problem == "bot.py can't be imported.")
        change = {"data": {"pcc-deploy.toml": "image = 1"}}
        server.objects.patch("configmaps", "podline", "agent-clerk", change)
        await followed.until(lambda: "write an image" in str(followed.status().problem))
        server.objects.patch(
            "configmaps", "podline", "agent-clerk", {"data": {"pcc-deploy.toml": IMAGE % "broken"}}
        )
        await followed.until(lambda: followed.status().problem == "bot.py can't be imported.")


async def test_what_its_bot_may_miss_is_said_for_as_long_as_the_version_is_active(server: ApiServer) -> None:
    define(server, deploy=IMAGE % "1")
    server.misbehave("refuse", watch=True, status=410, reason="Expired")
    async with following(server, start_dry=Starts()) as followed:
        await followed.until(lambda: followed.status().notes)
        notes = followed.status().notes
        await followed.until(lambda: len(server.lists("configmaps")) == 2)
        define(server, "usher", deploy=IMAGE % "1")
        await followed.until(lambda: len(followed.agents.all()) == 3)

        assert followed.status().notes == notes


async def test_a_bug_in_a_dry_start_is_that_deployments_alone_and_in_the_log(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    starts = Starts()
    async with following(server, start_dry=starts) as followed:
        await deployed(followed, "1")
        starts.error = ZeroDivisionError("a bug")
        await deployed(followed, "2")
        refused, active = followed.status().problem, image(followed)
        starts.error = None
        await deployed(followed, "2")

        assert "See its log, and deploy it again" in str(refused)
        assert active == "registry.example.com/clerk:1"
        assert image(followed) == "registry.example.com/clerk:2"
        [logged] = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert logged.exc_info is not None
        assert logged.exc_info[0] is ZeroDivisionError


async def test_an_agent_without_a_name_does_not_keep_others_from_being_stored(server: ApiServer) -> None:
    """A label may have an empty value, and no key of a ConfigMap may be empty."""
    nameless = {"name": "agent-nameless", "labels": {"podline.dev/agent": ""}}
    server.objects.create("configmaps", "podline", {"metadata": nameless, "data": {}})
    async with following(server) as followed:
        await followed.until(lambda: "" in {each.name for each in followed.agents.all()})
        server.objects.delete("configmaps", "podline", "agent-nameless")
        await followed.until(lambda: "" not in {each.name for each in followed.agents.all()})
        await deployed(followed, "1")
        await followed.until(lambda: stored(server)["next"] == 2)

    assert list(server.objects.get("configmaps", "podline", CONFIG_MAP)["data"]) == ["clerk"]
