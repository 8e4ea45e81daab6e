"""One start, of a session by the controller or of a bare Job of the same image: how long each step took."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from scripts.benchmarks.cluster.raw import Raw
from scripts.benchmarks.node.pods import Pods
from testing.node.site import BASE, NodeSite

TELLS_THE_TIME: Final = ["tini", "--", "python", "-c", "import time; print(time.time())"]
"""The program of a bare Job instead of a bot: it prints when it started and does nothing else."""

Steps = dict[str, float]
"""Seconds that each step took, by the step's name."""


async def start_session(site: NodeSite, pods: Pods, user_id: str) -> Steps:
    """Start one and stop it when its bot has joined; returns when it is over."""
    session = await site.start(user_id=user_id)
    live = await site.until_live(session["id"])
    begun = await pods.until(session["id"], "begun")
    await site.stop(session["id"])
    await site.until_over(session["id"])
    reached = {name: moment for name, moment in live["timeline"].items() if moment}
    at = {name: datetime.fromisoformat(moment).timestamp() for name, moment in reached.items()}
    return {
        "accepted to launched": at["launched"] - at["accepted"],
        "launched to scheduled": at["scheduled"] - at["launched"],
        "scheduled to process up": at["process_up"] - at["scheduled"],
        "process up to joined": at["joined"] - at["process_up"],
        "accepted to scheduled": at["scheduled"] - at["accepted"],
        "accepted to seen running": begun - at["accepted"],
        "accepted to process up": at["process_up"] - at["accepted"],
        "accepted to joined": at["joined"] - at["accepted"],
    }


async def start_bare_job(raw: Raw, pods: Pods, name: str) -> Steps:
    """Start one; returns when its process has ended and the Job is on its way out."""
    began = time.time()
    await raw.send("POST", raw.access.jobs, bare_job(name))
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


def bare_job(name: str, template: Path = BASE / "bot-job.yaml") -> dict[str, Any]:
    """The template of bots, with nothing of a session, and another command."""
    job: dict[str, Any] = yaml.safe_load(template.read_text(encoding="utf-8"))
    job["metadata"] = {"name": name}
    job["spec"]["backoffLimit"] = 0
    pod = job["spec"]["template"]
    pod["metadata"] = {}
    pod["spec"]["restartPolicy"] = "Never"
    [container] = pod["spec"]["containers"]
    container["command"] = TELLS_THE_TIME
    return job
