"""Warm bots on a real API server: launched, claimed with one write, labelled, and given up."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.core.agents import BUILT_IN
from controller.core.errors import NotClaimed
from controller.core.primitives.clock import system_clock
from controller.core.runtime import Launch, Observation
from controller.core.warm import WarmBot, WarmLaunch
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.job.template import read_template
from controller.runtimes.kubernetes.job.warm_manifests import KEEPS_ITS_NODE
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from testing.cluster.control_plane import PATIENCE_SECONDS, ControlPlane
from testing.cluster.site import write_template
from testing.fakes.controllers.sessions import some_session
from tests.cluster.deploy.test_permissions import kubeconfig_of_an_account, text_of

JOB = names.warm_job_name(BUILT_IN.name, "warm-1")
WARM = WarmLaunch(
    bot=WarmBot(
        launch_id="warm-1", agent=BUILT_IN.name, agent_version=BUILT_IN.id, created=datetime.now(UTC)
    ),
    agent=BUILT_IN,
    environment={"PODLINE_WARM": "true"},
    secrets={"PODLINE_LAUNCH_TOKEN": "a-token"},
    deadline_seconds=600,
)


class Followed:
    """A runtime over the cluster, with what it has observed."""

    def __init__(self, runtime: KubernetesRuntime) -> None:
        self.runtime = runtime
        self.observations: list[Observation] = []

    async def follow(self) -> None:
        async for observation in self.runtime.watch():
            self.observations.append(observation)

    async def until_gone(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(each.exit for each in self.observations):  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.05)


@asynccontextmanager
async def following(kubeconfig: Path, namespace: str, directory: Path) -> AsyncIterator[Followed]:
    template = write_template(directory, dict.fromkeys(KEEPS_ITS_NODE, "as-shipped"))
    runtime = KubernetesRuntime(
        api=Api(Access(str(kubeconfig))),
        namespace=namespace,
        template=read_template(template, namespace),
        grace_seconds=3,
        keep_ended_seconds=60,
        clock=system_clock(),
        rng=random.Random(1),  # noqa: S311 - spreads pauses
    )
    followed = Followed(runtime)
    task = asyncio.create_task(followed.follow())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while runtime.not_ready_reason() is not None:  # noqa: ASYNC110 - seen from outside only
                await asyncio.sleep(0.05)
        yield followed
    finally:
        task.cancel()
        await asyncio.wait([task])


def claim_of(session_id: str) -> Launch:
    session = some_session(id=session_id, launch_id="warm-1", agent_version=BUILT_IN.id)
    return Launch(session=session, environment={}, secrets={}, deadline_seconds=300)


async def until_settled(plane: ControlPlane, namespace: str) -> None:
    """Wait until the Job controller has written all it has to: a claim of a Job that changes fails."""
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{JOB}"
    await plane.until(path, lambda job: job["status"].get("ready") == 1)
    await asyncio.sleep(0.5)


async def until_pod(plane: ControlPlane, namespace: str, **labels: str) -> dict[str, str]:
    """Wait until the bot's pod runs with these labels. Return its annotations."""
    selector = ",".join([f"{names.LAUNCH_ID}=warm-1", *(f"podline.dev/{n}={v}" for n, v in labels.items())])
    pods = await plane.until(
        f"/api/v1/namespaces/{namespace}/pods?labelSelector={selector}",
        lambda found: any(pod["status"]["phase"] == "Running" for pod in found["items"]),
    )
    annotations: dict[str, str] = pods["items"][0]["metadata"].get("annotations", {})
    return annotations


async def test_a_warm_bot_waits_is_claimed_and_is_found_as_its_session(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = await kubeconfig_of_an_account(plane, namespace)
    path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{JOB}"
    async with following(kubeconfig, namespace, tmp_path) as followed:
        await followed.runtime.launch_warm(WARM)
        waiting = await until_pod(plane, namespace, pool="waiting")
        await until_settled(plane, namespace)
        before = await plane.api("GET", path)
        await followed.runtime.claim(claim_of("one"))
        with pytest.raises(NotClaimed):
            await followed.runtime.claim(claim_of("two"))
        after = await plane.api("GET", path)
        claimed = await until_pod(plane, namespace, pool="claimed", session="one")

    assert int(after["metadata"]["generation"]) == int(before["metadata"]["generation"]) + 1
    assert 300 <= after["spec"]["activeDeadlineSeconds"] < 600 == before["spec"]["activeDeadlineSeconds"]
    assert {name: waiting.get(name) for name in KEEPS_ITS_NODE} == dict(
        zip(KEEPS_ITS_NODE, ("true", None), strict=True)
    )
    assert {claimed[name] for name in KEEPS_ITS_NODE} == {"as-shipped"}
    async with following(kubeconfig, namespace, tmp_path) as followed:
        [found] = [each.found for each in followed.observations if each.found is not None]
        assert (found.id, found.launch_id, found.cold_start) == ("one", "warm-1", False)
        assert not [each for each in followed.observations if each.warm]


async def test_a_warm_bot_that_is_given_up_is_gone_and_nobodys(
    plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    kubeconfig = await kubeconfig_of_an_account(plane, namespace)
    async with following(kubeconfig, namespace, tmp_path) as followed:
        await followed.runtime.launch_warm(WARM)
        await until_settled(plane, namespace)
        await followed.runtime.claim(claim_of("one"))
        await followed.runtime.give_up("warm-1")
        await followed.until_gone()

    async with following(kubeconfig, namespace, tmp_path) as followed:
        assert not [each for each in followed.observations if each.found or each.warm]


async def test_without_the_verb_to_label_pods_a_claim_holds_and_the_log_says_what_is_missing(
    plane: ControlPlane, namespace: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kubeconfig = await kubeconfig_of_an_account(plane, namespace, ("pods", "patch"))
    caplog.set_level(logging.WARNING)
    async with following(kubeconfig, namespace, tmp_path) as followed:
        await followed.runtime.launch_warm(WARM)
        await until_pod(plane, namespace, pool="waiting")
        await until_settled(plane, namespace)
        await followed.runtime.claim(claim_of("one"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "add `patch` on `pods` to its Role" not in "".join(map(text_of, caplog.records)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # seen from outside only

    assert followed.observations[-1].exit is None
