"""The harness does what it says: fake pods end as ordered, and real components notice it."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from testing.cluster import kwok
from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane, KubectlError
from testing.cluster.jobs import BareBot, bot_state, conditions
from testing.cluster.kwok import Fate


@pytest.fixture
def bot(plane: ControlPlane, namespace: str) -> BareBot:
    return BareBot(plane, namespace)


@pytest.mark.parametrize(
    ("fate", "reason", "code"),
    [
        (Fate.exits(67), "Error", 67),
        (Fate.OUT_OF_MEMORY, "OOMKilled", 137),
        (Fate.START_ERROR, "StartError", 128),
        (Fate.EVICTED, "Error", 137),
    ],
)
async def test_a_pod_that_fails_fails_its_job_with_its_code(
    bot: BareBot, fate: str, reason: str, code: int
) -> None:
    bot.annotations = {kwok.END: fate, kwok.FINAL_REPORT: "my final report"}
    await bot.create()

    failed = (await bot.until_over())["Failed"]

    assert failed["reason"] == "PodFailurePolicy"
    assert re.search(rf"exit code {code}\b", failed["message"])
    pod = await bot.until_pod(lambda pod: pod["status"]["phase"] == "Failed")
    ended = bot_state(pod)["terminated"]
    assert (ended["reason"], ended["exitCode"], ended["message"]) == (reason, code, "my final report")


async def test_a_pod_that_exits_with_0_completes_its_job(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.exits(0)}
    await bot.create()

    assert "Complete" in await bot.until_over()


async def test_a_running_pod_ends_when_it_is_told_to(bot: BareBot) -> None:
    await bot.create()
    await bot.until_running()

    await bot.plane.annotate(bot.pod_path, {kwok.END: Fate.exits(3)})

    assert "exit code 3" in (await bot.until_over())["Failed"]["message"]


async def test_an_end_comes_after_the_time_that_is_set_for_it(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.exits(0), kwok.AFTER: "1500ms"}
    await bot.create()

    pod = await bot.until_pod(lambda pod: "terminated" in bot_state(pod))

    ended = bot_state(pod)["terminated"]
    # The apiserver keeps whole seconds.
    assert ended["startedAt"] < ended["finishedAt"]


async def test_an_eviction_by_the_kubelet_is_named_in_the_pod_alone(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.EVICTED}
    await bot.create()

    pod = await bot.until_pod(lambda pod: pod["status"]["phase"] == "Failed")

    assert pod["status"]["reason"] == "Evicted"
    assert "ephemeral local storage" in pod["status"]["message"]
    assert "DisruptionTarget" not in conditions(pod)


async def test_an_eviction_under_pressure_is_a_disruption(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.NODE_PRESSURE}
    await bot.create()

    assert "DisruptionTarget" in (await bot.until_over())["Failed"]["message"]


async def test_an_image_that_cannot_be_pulled_is_named(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.IMAGE_PULL}
    await bot.create()

    assert "registry.invalid/bot:1" in (await bot.until_waiting("ErrImagePull"))["message"]
    assert "registry.invalid/bot:1" in (await bot.until_waiting("ImagePullBackOff"))["message"]


@pytest.mark.parametrize(
    ("fate", "reason", "says"),
    [
        (Fate.IMAGE_NAME_INVALID, "InvalidImageName", "invalid reference format"),
        (Fate.SECRET_MISSING, "CreateContainerConfigError", 'secret "podline" not found'),
        (Fate.NEVER_READY, "ContainerCreating", ""),
    ],
)
async def test_a_pod_that_cannot_start_says_why(bot: BareBot, fate: str, reason: str, says: str) -> None:
    bot.annotations = {kwok.END: fate}
    await bot.create()

    assert says in (await bot.until_waiting(reason)).get("message", "")


async def test_a_pod_starts_once_nothing_holds_it_back(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.NEVER_READY}
    await bot.create()
    await bot.until_waiting("ContainerCreating")

    await bot.plane.annotate(bot.pod_path, {kwok.END: None})

    await bot.until_running()


async def test_a_pod_that_is_deleted_says_goodbye_and_goes(bot: BareBot) -> None:
    bot.annotations = {kwok.FINAL_REPORT: "goodbye", kwok.STOP_TAKES: "500ms"}
    await bot.create()
    await bot.until_running()

    await bot.delete_pod()

    pod = await bot.until_pod(lambda pod: "terminated" in bot_state(pod))
    ended = bot_state(pod)["terminated"]
    assert (ended["exitCode"], ended["message"], pod["status"]["phase"]) == (0, "goodbye", "Succeeded")
    assert "Complete" in await bot.until_over()
    await bot.until_gone()


async def test_a_pod_chooses_the_code_it_stops_with(bot: BareBot) -> None:
    bot.annotations = {kwok.STOP_CODE: "7"}
    await bot.create()
    await bot.until_running()

    await bot.delete_pod()

    assert "exit code 7" in (await bot.until_over())["Failed"]["message"]


async def test_a_deaf_pod_is_killed_when_its_grace_is_over(bot: BareBot) -> None:
    bot.annotations, bot.grace_seconds = {kwok.END: Fate.DEAF}, 2
    await bot.create()
    await bot.until_running()
    loop = asyncio.get_running_loop()
    began = loop.time()

    await bot.delete_pod()

    assert "exit code 137" in (await bot.until_over())["Failed"]["message"]
    # The apiserver keeps whole seconds.
    assert loop.time() - began > 1


async def test_a_stop_of_a_pod_that_never_started_ends_its_job(bot: BareBot) -> None:
    bot.annotations = {kwok.END: Fate.IMAGE_PULL}
    await bot.create()
    await bot.until_waiting("ErrImagePull")

    await bot.expire()

    assert (await bot.until_over())["Failed"]["reason"] == "DeadlineExceeded"
    await bot.until_gone()


async def test_an_unreachable_pod_goes_by_force_only(bot: BareBot) -> None:
    bot.annotations, bot.grace_seconds = {kwok.END: Fate.UNREACHABLE}, 1
    await bot.create()
    await bot.until_running()
    await bot.expire()
    pod = await bot.until_pod(lambda pod: "deletionTimestamp" in pod["metadata"])
    assert "running" in bot_state(pod)

    await bot.delete_pod("?gracePeriodSeconds=0")

    assert (await bot.until_over())["Failed"]["reason"] == "DeadlineExceeded"
    await bot.until_gone()


async def test_a_drain_is_a_disruption(bot: BareBot) -> None:
    bot.annotations = {kwok.STOP_CODE: "1"}
    await bot.create()
    await bot.until_running()
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": bot.pod_name}}

    await bot.plane.api("POST", f"{bot.pod_path}/eviction", eviction)

    assert "DisruptionTarget" in (await bot.until_over())["Failed"]["message"]


async def test_what_a_fake_bot_logs_can_be_read(bot: BareBot) -> None:
    await bot.create()
    await bot.until_running()

    bot.plane.say("hello from the bot")

    assert "hello from the bot" in await bot.plane.kubectl("logs", "--namespace", bot.namespace, bot.pod_name)


async def test_what_a_fake_bot_logs_can_be_followed(bot: BareBot) -> None:
    await bot.create()
    await bot.until_running()
    path = f"{bot.plane.url}{bot.pod_path}/log?follow=true&tailLines=1"
    headers = {"Authorization": f"Bearer {bot.plane.admin_token}"}
    # The answer begins with the first line.
    bot.plane.say("first")
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        httpx.AsyncClient(verify=bot.plane.ssl_context(), timeout=None) as client,  # noqa: S113
        client.stream("GET", path, headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        assert await anext(lines) == "first"
        bot.plane.say("second")
        assert await anext(lines) == "second"


async def test_no_pod_is_made_while_the_controller_manager_is_away(bot: BareBot) -> None:
    await bot.plane.stop_controller_manager()
    try:
        await bot.create()
        await bot.expire()
    finally:
        await bot.plane.start_controller_manager()

    assert (await bot.until_over())["Failed"]["reason"] == "DeadlineExceeded"
    await bot.until_gone()


async def test_the_apiserver_comes_back_with_everything(bot: BareBot) -> None:
    await bot.create()
    await bot.until_running()

    await bot.plane.stop_apiserver()
    with pytest.raises(httpx.ConnectError):
        await bot.plane.api("GET", bot.job_path)
    await bot.plane.start_apiserver()
    await bot.plane.annotate(bot.pod_path, {kwok.END: Fate.exits(0)})

    assert "Complete" in await bot.until_over()


async def test_kubectl_fails_with_what_it_says(plane: ControlPlane) -> None:
    with pytest.raises(KubectlError, match='pods "nobody" not found'):
        await plane.kubectl("get", "pod", "nobody")


async def test_the_controllers_own_user_may_nothing_at_first(plane: ControlPlane) -> None:
    kubeconfig = plane.kubeconfig_for(plane.controller_token, "controller.kubeconfig")

    with pytest.raises(KubectlError, match='User "podline-controller" cannot list resource "jobs"'):
        await plane.kubectl("--kubeconfig", str(kubeconfig), "get", "jobs")


async def test_a_service_account_has_a_token_that_works(plane: ControlPlane, namespace: str) -> None:
    token = await plane.service_account_token(namespace, "default")
    kubeconfig = plane.kubeconfig_for(token, "account.kubeconfig")

    who = await plane.kubectl("--kubeconfig", str(kubeconfig), "auth", "whoami")

    assert f"system:serviceaccount:{namespace}:default" in who
