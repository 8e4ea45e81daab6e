"""A dry start in a cluster: what its Job is, and what becomes of its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.core.agents import AgentDefinition, AgentVersion, DryStartOutcome
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.dry_start import DryStart
from podline.contract.encoding import encode
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.usage import Usage
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from tests.unit.controller.runtimes.kubernetes import made, shapes
from tests.unit.controller.runtimes.kubernetes.serving import api_to

VERSION = AgentVersion(
    definition=AgentDefinition(
        name="clerk", image="registry.example.com/clerk:1", file="server/bot.py", secret_set="clerk-keys"
    ),
    serial=3,
)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with serve_api() as serving:
        yield serving


async def outcome_of(server: ApiServer, shape: dict[str, Any]) -> DryStartOutcome:
    """Start dry, with a pod that is in this state as soon as there is a Job."""
    async with api_to(server) as api:
        start = DryStart(
            client=NamespaceClient(api, "podline"),
            template=made.template(),
            clock=system_clock(),
            start_timeout_seconds=20,
            grace_seconds=1,
        )
        running = asyncio.create_task(start.run(VERSION))
        await server.until_asked(lambda asked: asked.method == "POST")
        while not server.objects.all("jobs", "podline"):  # noqa: ASYNC110 - it is a moment
            await asyncio.sleep(0.01)
        [job] = server.objects.all("jobs", "podline")
        labels = job["spec"]["template"]["metadata"]["labels"]
        metadata = {"name": "a-pod", "labels": labels}
        server.objects.create("pods", "podline", {"metadata": metadata, "status": shape})
        return await running


def ended(code: int, report: FinalReport | None) -> dict[str, Any]:
    message = encode(report).decode() if report is not None else ""
    state = shapes.container("bot", shapes.terminated(code, message=message))
    return {"phase": "Succeeded" if code == 0 else "Failed", "containerStatuses": [state]}


def reported(reason: str, message: str) -> FinalReport:
    return FinalReport(
        reason=reason, message=message, totals=Usage(), acked_totals=Usage(), timeline=BotTimeline(now=1.0)
    )


async def test_a_bot_that_started_may_take_calls(server: ApiServer) -> None:
    outcome = await outcome_of(server, ended(0, reported("completed", "The bot can take calls.")))

    assert outcome == DryStartOutcome()
    assert server.objects.all("jobs", "podline") == []


async def test_what_it_may_miss_is_a_note(server: ApiServer) -> None:
    said = "bot.py, line 3, reads the variable X, which is not set."

    assert await outcome_of(server, ended(0, reported("completed", said))) == DryStartOutcome(note=said)


async def test_its_own_error_is_the_problem(server: ApiServer) -> None:
    said = "bot.py can't be imported: the bot raised ValueError in bot.py, line 3."

    outcome = await outcome_of(server, ended(1, reported("crashed", said)))

    assert outcome == DryStartOutcome(problem=said)


async def test_a_process_that_reports_nothing_has_not_started(server: ApiServer) -> None:
    outcome = await outcome_of(server, ended(0, None))

    assert "exited with code 0 without a final report" in str(outcome.problem)


async def test_an_image_that_can_t_be_pulled_is_named(server: ApiServer) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "registry.example.com: not found"}}
    shape = {"phase": "Pending", "containerStatuses": [shapes.container("bot", waiting)]}

    outcome = await outcome_of(server, shape)

    assert "could not be pulled (ImagePullBackOff): registry.example.com: not found" in str(outcome.problem)
    assert server.objects.all("jobs", "podline") == []


async def test_its_job_is_no_sessions_and_has_no_credentials(server: ApiServer) -> None:
    jobs: list[Any] = []
    server.objects.reactions.append(
        lambda change: jobs.append(change.after) if change.kind == "jobs" else None
    )

    await outcome_of(server, ended(0, reported("completed", "The bot can take calls.")))

    job = jobs[0]
    [bot] = job["spec"]["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in bot["env"]}
    for marks in (job["metadata"], job["spec"]["template"]["metadata"]):
        assert marks["labels"][names.DRY_START] == "true"
        assert marks["labels"][names.AGENT_LABEL] == "clerk"
        assert not {names.SESSION_LABEL, names.USER_LABEL} & marks["labels"].keys()
        assert names.SESSION_ID not in marks.get("annotations", {})
    assert bot["image"] == "registry.example.com/clerk:1"
    assert [each["secretRef"]["name"] for each in bot["envFrom"]] == ["clerk-keys"]
    assert (variables["PODLINE_DRY_START"], variables["PODLINE_BOT_FILE"]) == ("true", "server/bot.py")
    assert "PODLINE_LAUNCH_TOKEN" not in variables
    assert server.objects.all("secrets", "podline") == []


async def test_a_job_that_the_cluster_refuses_is_the_problem(server: ApiServer) -> None:
    server.misbehave("refuse", method="POST", path="/jobs", status=403, message="denied: not this image")
    async with api_to(server) as api:
        start = DryStart(
            client=NamespaceClient(api, "podline"),
            template=made.template(),
            clock=system_clock(),
            start_timeout_seconds=5,
            grace_seconds=1,
        )
        outcome = await start.run(VERSION)

    assert "denied: not this image" in str(outcome.problem)
