"""A bot that can't start: what the cluster says of it reaches the caller in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from testing.node.cases import Outcomes, play_all
from testing.node.node_cluster import NodeCluster
from testing.node.site import Change, NodeSite, bot_of, own_site

SETTINGS = {"PODLINE_START_TIMEOUT_SECONDS": "6"}


def image_missing(job: dict[str, Any]) -> None:
    bot_of(job)["image"] = "localhost:5000/podline-bot:9.9.9"


def image_name_invalid(job: dict[str, Any]) -> None:
    bot_of(job)["image"] = "Podline Bot"


def no_node_fits(job: dict[str, Any]) -> None:
    job["spec"]["template"]["spec"]["nodeSelector"] = {"podline.test/there-is": "none"}


def secret_missing(job: dict[str, Any]) -> None:
    bot_of(job)["envFrom"].append({"secretRef": {"name": "forgotten"}})


def command_missing(job: dict[str, Any]) -> None:
    bot_of(job)["command"] = ["/no/such/program"]


def as_it_ships(_: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """What is wrong, and what is said of it. A quota may be there that has no room for a bot."""

    name: str
    change: Change
    reason: str
    said: str
    quota: str | None = None
    is_stopped: bool = False


CASES = [
    Case("image-missing", image_missing, "image_pull", "podline-bot:9.9.9"),
    Case("image-name-invalid", image_name_invalid, "image_pull", "InvalidImageName"),
    Case("no-node-fits", no_node_fits, "unschedulable", "didn't match Pod's node affinity/selector"),
    Case("secret-missing", secret_missing, "start_timeout", 'secret "forgotten" not found'),
    Case("command-missing", command_missing, "crashed", "/no/such/program"),
    # The controller's own pod counts as well.
    Case("quota-of-pods", as_it_ships, "launch_failed", "exceeded quota: tight", quota="pods=1"),
    Case("quota-of-jobs", as_it_ships, "launch_failed", "exceeded quota: tight", quota="count/jobs.batch=0"),
    Case("stopped-while-pulling", image_missing, "stopped", "on request", is_stopped=True),
]


@dataclass(frozen=True)
class Outcome:
    """How a session ended, and what of that stands on its Job, if there was one."""

    session: dict[str, Any]
    recorded: tuple[str, str] | None


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outcomes(installed: NodeCluster) -> Outcomes[Outcome]:
    """Of all cases, played at one time, each with a controller of its own."""
    return await play_all({case.name: play(installed, case) for case in CASES})


async def play(cluster: NodeCluster, case: Case) -> Outcome:
    async with own_site(cluster, case.name, case.change, {} if case.is_stopped else SETTINGS) as site:
        if case.quota is not None:
            await limit(site, case.quota)
        await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        if case.is_stopped:
            await site.pod("one", "Pending")
            await site.stop("one")
        session = await site.until_over("one")
        return Outcome(session, None if case.quota == "count/jobs.batch=0" else await site.recorded("one"))


async def limit(site: NodeSite, quota: str) -> None:
    await site.kubectl("create", "quota", "tight", f"--hard={quota}")
    await site.cluster.until(
        f"/api/v1/namespaces/{site.namespace}/resourcequotas/tight",
        lambda found: "hard" in found.get("status", {}),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_keeps_a_bot_from_starting_is_said(outcomes: Outcomes[Outcome], case: Case) -> None:
    outcome = outcomes.result(case.name)

    assert outcome.session["reason"] == case.reason
    assert case.said in outcome.session["message"]
    assert outcome.recorded in (None, (case.reason, outcome.session["message"]))
