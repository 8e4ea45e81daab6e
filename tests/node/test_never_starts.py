"""A bot that can't start: what the cluster says of it reaches the caller in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.node.node_cluster import NodeCluster
from tests.node.site import bot_of, own_site

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


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (image_missing, "image_pull", "podline-bot:9.9.9"),
        (image_name_invalid, "image_pull", "InvalidImageName"),
        (no_node_fits, "unschedulable", "didn't match Pod's node affinity/selector"),
        (secret_missing, "start_timeout", 'secret "forgotten" not found'),
        (command_missing, "crashed", "/no/such/program"),
    ],
)
async def test_what_keeps_a_bot_from_starting_is_said(
    installed: NodeCluster, change: Callable[[dict[str, Any]], None], reason: str, said: str
) -> None:
    namespace = change.__name__.replace("_", "-")
    async with own_site(installed, namespace, change, SETTINGS) as site:
        await site.start(session_id="one")

        session = await site.until_over("one")

        assert (session["phase"], session["reason"]) == ("failed", reason)
        assert said in session["message"]
        assert await site.recorded("one") == (reason, session["message"])


async def test_a_stop_while_the_image_is_being_pulled_is_a_stop(installed: NodeCluster) -> None:
    async with own_site(installed, "pulling", image_missing) as site:
        await site.start(session_id="one")
        await site.pod("one", "Pending")

        await site.stop("one")

        assert (await site.until_over("one"))["reason"] == "stopped"


@pytest.mark.parametrize(
    ("limited", "reason"), [("count/jobs.batch", "launch_failed"), ("pods", "start_timeout")]
)
async def test_a_quota_that_is_used_up_is_named(installed: NodeCluster, limited: str, reason: str) -> None:
    namespace = f"quota-{limited.partition('/')[0]}"
    async with own_site(installed, namespace, settings=SETTINGS) as site:
        # The controller's own pod counts as well.
        await site.kubectl("create", "quota", "tight", f"--hard={limited}={int(limited == 'pods')}")
        await site.cluster.until(
            f"/api/v1/namespaces/{namespace}/resourcequotas/tight",
            lambda quota: limited in quota.get("status", {}).get("hard", {}),
        )
        answer = await site.client.post("/v1/sessions", json={"user_id": "ana", "session_id": "one"})
        assert answer.status_code == (503 if reason == "launch_failed" else 201)

        session = await site.until_over("one")

        assert session["reason"] == reason
        assert "exceeded quota: tight" in session["message"]
