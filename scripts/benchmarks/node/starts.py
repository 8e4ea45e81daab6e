"""One start, of a session by the controller or of a bare Job of the same image: how long each step took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import yaml

from scripts.benchmarks.calls.call import moments
from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.node.pods import Pods
from testing.node.site import BASE, NodeSite

TELLS_THE_TIME: Final = ["tini", "--", "python", "-c", "import time; print(time.time())"]
"""The program of a bare Job instead of a bot: it prints when it started and does nothing else."""

Steps = dict[str, float]
"""Seconds that each step took, by the step's name."""

Pod = dict[str, Any]
"""The spec of a pod."""

TO_JOINED: Final = "accepted to joined"


async def start_session(site: NodeSite, pods: Pods, user_id: str) -> Steps:
    """Start one and stop it when its bot has joined; returns when it is over."""
    session = await site.start(user_id=user_id)
    live = await site.until_live(session["id"])
    begun = await pods.until(session["id"], "begun")
    await _end(site, session["id"])
    at = moments(live["timeline"])
    return {
        "accepted to launched": at["launched"] - at["accepted"],
        "launched to scheduled": at["scheduled"] - at["launched"],
        "scheduled to process up": at["process_up"] - at["scheduled"],
        "process up to joined": at["joined"] - at["process_up"],
        "accepted to scheduled": at["scheduled"] - at["accepted"],
        "accepted to seen running": begun - at["accepted"],
        "accepted to process up": at["process_up"] - at["accepted"],
        TO_JOINED: at["joined"] - at["accepted"],
    }


async def start_by_warm_bot(site: NodeSite, agent: str, user_id: str) -> Steps:
    """Start one of an agent that keeps warm bots, likewise.

    Raises:
        RuntimeError: No warm bot took it.
    """
    session = await site.start(user_id=user_id, agent=agent)
    live = await site.until_live(session["id"])
    await _end(site, session["id"])
    if live["cold_start"]:
        raise RuntimeError("A start took no warm bot, although enough were ready.")
    at = moments(live["timeline"])
    return {TO_JOINED: at["joined"] - at["accepted"]}


async def _end(site: NodeSite, session_id: str) -> None:
    await site.stop(session_id)
    await site.until_over(session_id)


async def start_bare_job(raw: Raw, pods: Pods, name: str, change: Callable[[Pod], Pod]) -> Steps:
    """Start one; returns when its process has ended and the Job is on its way out."""
    job = bare_job(name, change)
    began = time.time()
    await raw.send("POST", raw.access.jobs, job)
    created = time.time()
    scheduled, begun = await pods.until(name, "scheduled"), await pods.until(name, "begun")
    await pods.until(name, "over")
    up = float(await pods.log(name))
    await raw.send("DELETE", f"{raw.access.jobs}/{name}?propagationPolicy=Background")
    return {
        "accepted to launched": created - began,
        "scheduled to process up": up - scheduled,
        "accepted to scheduled": scheduled - began,
        "accepted to seen running": begun - began,
        "accepted to process up": up - began,
    }


def as_it_is(pod: Pod) -> Pod:
    """Return a pod with the container that copies the runner for images without it."""
    return pod


def without_volumes(pod: Pod) -> Pod:
    """Return a pod that copies no runner, and has no other volume either."""
    containers = [{**each, "volumeMounts": []} for each in pod["containers"]]
    return {**pod, "initContainers": [], "containers": containers, "volumes": []}


def bare_job(name: str, change: Callable[[Pod], Pod]) -> dict[str, Any]:
    """Return the template of bots with a changed pod, with nothing of a session, and another command."""
    job: dict[str, Any] = yaml.safe_load((BASE / "bot-job.yaml").read_text(encoding="utf-8"))
    job["metadata"] = {"name": name}
    job["spec"]["backoffLimit"] = 0
    pod = job["spec"]["template"]
    pod["metadata"] = {}
    pod["spec"]["restartPolicy"] = "Never"
    [container] = pod["spec"]["containers"]
    container["command"] = TELLS_THE_TIME
    pod["spec"] = change(pod["spec"])
    return job
