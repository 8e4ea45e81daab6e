"""A dry start in a cluster: what its Job is, and what becomes of its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from controller.core.agents import AgentDefinition, AgentVersion, DryStartOutcome
from controller.core.primitives.clock import system_clock
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient
from controller.runtimes.kubernetes.dry_start import DryStart
from podline.contract.encoding import encode
from podline.contract.messages import BotTimeline, FinalReport
from podline.contract.reasons import STARTED_DRY
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


@asynccontextmanager
async def starting(server: ApiServer, seconds: float = 20) -> AsyncIterator[DryStart]:
    numbers = count(1)
    async with api_to(server) as api:
        yield DryStart(
            client=NamespaceClient(api, "podline"),
            template=made.template(),
            clock=system_clock(),
            start_timeout_seconds=seconds,
            grace_seconds=1,
            new_id=lambda: f"{next(numbers)}",
        )


async def job_in(server: ApiServer) -> dict[str, Any]:
    """The Job, as soon as there is one."""
    while not server.objects.all("jobs", "podline"):
        await server.objects.change()
    [job] = server.objects.all("jobs", "podline")
    return job


async def end(server: ApiServer, shape: dict[str, Any]) -> None:
    """Have the Job make its pod, in this state."""
    labels = (await job_in(server))["spec"]["template"]["metadata"]["labels"]
    name = labels[names.LAUNCH_ID] + "-pod"
    server.objects.create("pods", "podline", {"metadata": {"name": name, "labels": labels}, "status": shape})


async def outcome_of(server: ApiServer, shape: dict[str, Any]) -> DryStartOutcome:
    """Start dry, with a pod that is in this state as soon as there is a Job."""
    async with starting(server) as start:
        running = asyncio.create_task(start.run(VERSION))
        await end(server, shape)
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
    async with starting(server) as start:
        outcome = await start.run(VERSION)

    assert "denied: not this image" in str(outcome.problem)


async def test_a_bot_that_is_deployed_again_is_not_judged_by_what_is_left_of_the_last_attempt(
    server: ApiServer,
) -> None:
    """Its pod goes some seconds after its Job."""
    async with starting(server) as start:
        attempts = []
        for shape in (ended(1, reported("crashed", "No.")), ended(0, reported("completed", STARTED_DRY))):
            running = asyncio.create_task(start.run(VERSION))
            await end(server, shape)
            attempts.append(await running)

    assert attempts == [DryStartOutcome(problem="No."), DryStartOutcome()]
    assert len(server.objects.all("pods", "podline")) == 2


@pytest.mark.parametrize("reason", ["Conflict", "TooManyRequests"])
async def test_what_the_cluster_may_take_later_is_sent_again(server: ApiServer, reason: str) -> None:
    status = {"Conflict": 409, "TooManyRequests": 429}[reason]
    server.misbehave("refuse", method="POST", path="/jobs", status=status, reason=reason)

    assert await outcome_of(server, ended(0, reported("completed", STARTED_DRY))) == DryStartOutcome()


async def test_a_request_whose_answer_is_lost_starts_one_bot(server: ApiServer) -> None:
    server.misbehave("reset_after", method="POST", path="/jobs")

    assert await outcome_of(server, ended(0, reported("completed", STARTED_DRY))) == DryStartOutcome()


async def test_what_held_it_up_for_too_long_is_said(server: ApiServer) -> None:
    said = "exceeded quota: bots, used: jobs=20, limited: jobs=20"
    server.misbehave("refuse", method="POST", path="/jobs", status=403, message=said, times=100)
    async with starting(server, 0.1) as start:
        outcome = await start.run(VERSION)

    assert f"could not be started in time. The API server answered 403: {said}." in str(outcome.problem)


async def test_a_file_that_takes_too_long_to_import_is_no_call_that_took_too_long(server: ApiServer) -> None:
    async with starting(server) as start:
        running = asyncio.create_task(start.run(VERSION))
        await end(server, {"phase": "Running"})
        deadline = [shapes.condition(kind, "DeadlineExceeded") for kind in ("FailureTarget", "Failed")]
        job = (await job_in(server))["metadata"]["name"]
        server.objects.patch("jobs", "podline", job, {"status": {"conditions": deadline}})
        outcome = await running

    assert "had not started 20 seconds after its Job was created" in str(outcome.problem)


async def test_a_start_that_is_given_up_leaves_no_job_even_if_the_controller_stops_then(
    server: ApiServer,
) -> None:
    async with starting(server) as start:
        running = asyncio.create_task(start.run(VERSION))
        await end(server, {"phase": "Running"})
        slow = server.misbehave("wait", method="DELETE")
        running.cancel()
        await server.until_asked(lambda asked: asked.method == "DELETE")
        # The controller stops.
        running.cancel()
        slow.let_go.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    assert server.objects.all("jobs", "podline") == []
