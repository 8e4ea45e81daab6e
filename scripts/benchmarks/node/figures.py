"""Sessions that start on a real node, in turn with bare Jobs.

It needs what tests/node needs, and runs in namespaces of its own: testing/node/namespaces.sh.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from controller.runtimes.kubernetes.job.runner_copy import without_copy
from scripts.benchmarks.cluster.raw import ApiAccess, Raw
from scripts.benchmarks.node.kubelets import OPERATIONS, counts, seconds_each
from scripts.benchmarks.node.pods import Pods
from scripts.benchmarks.node.starts import (
    TO_JOINED,
    Pod,
    Steps,
    as_it_is,
    start_bare_job,
    start_by_warm_bot,
    start_session,
    without_volumes,
)
from scripts.benchmarks.running.results import Results
from scripts.benchmarks.running.run import BenchRun
from scripts.benchmarks.running.tables import MILLISECONDS, Comparison, Figure, Table, table_of
from scripts.site.installation import install_site
from scripts.site.kubectl import Kubectl
from testing.builds.binaries import ensure_binaries
from testing.builds.images import ensure_images
from testing.builds.node import ALL_PARTS
from testing.node.node_cluster import NodeCluster
from testing.node.site import OVERLAY_NAMESPACE, NodeSite, open_site
from testing.node.warm import AGENT, until_ready, warm_bots

OURS: Final = "Podline"
WARM: Final = "Podline, warm bot"
BARE: Final = "bare Job"
COPYING: Final = "bare Job that copies the runner"
NO_VOLUMES: Final = "bare Job without volumes"
NODES: Final = "the kubelets"
ALONE: Final = "one at a time: "
TOGETHER: Final = "{} at one time: "
AT_ONCE: Final = 5
ROUNDS_AT_ONCE: Final = 4

_OF_ONE: Final = (
    "accepted to launched",
    "launched to scheduled",
    "scheduled to process up",
    "process up to joined",
    "accepted to scheduled",
    "accepted to seen running",
    "accepted to process up",
    TO_JOINED,
)
_OF_MANY: Final = ("accepted to scheduled", "accepted to process up", TO_JOINED)
_COMPARED: Final = {
    "scheduled to process up": (
        Comparison(COPYING, BARE, is_ratio=True),
        Comparison(NO_VOLUMES, BARE, is_ratio=True),
    ),
    TO_JOINED: (Comparison(WARM, OURS, is_ratio=True),),
}
_TARGETS: Final = {f"{ALONE}{TO_JOINED}": "at most 3 s; warm: at most 0.05 s above the room's own join"}


def operation_name(operation: str) -> str:
    """Name a step that only the kubelets time, on average of all pods."""
    return f"a pod, on average: {OPERATIONS[operation]}"


def _figures() -> Iterable[Figure]:
    ratio = (Comparison(OURS, BARE, is_ratio=True),)
    steps = [(ALONE, step) for step in _OF_ONE] + [(TOGETHER.format(AT_ONCE), step) for step in _OF_MANY]
    for when, step in steps:
        compared = ratio + _COMPARED.get(step, ()) if when == ALONE else ratio
        yield Figure(when + step, MILLISECONDS, compared, _TARGETS.get(when + step, ""))
    for operation in OPERATIONS:
        yield Figure(operation_name(operation), MILLISECONDS)


def table(results: Results) -> Table:
    return table_of(results, list(_figures()))


async def measure(run: BenchRun) -> None:
    """Measure on a cluster of our own."""
    run.progress.doing("starting the cluster and installing Podline")
    async with NodeCluster(ensure_binaries(ALL_PARTS), ensure_images().values()) as cluster:
        with contextlib.redirect_stdout(sys.stderr):
            await asyncio.to_thread(install_site, Kubectl.of(cluster.binaries["kubectl"], cluster.kubeconfig))
        async with open_site(cluster, OVERLAY_NAMESPACE) as site:
            await measure_on(run, site)


async def measure_on(run: BenchRun, site: NodeSite) -> None:
    """Measure on a site: one start of each kind after another, then some at one time."""
    cluster = site.cluster
    access = ApiAccess(cluster.url, cluster.admin_token, str(cluster.ca_file), site.namespace)
    async with Raw(access) as raw, Pods(raw) as pods:
        starts = NodeStarts(site, raw, pods, kept=1 if run.is_small else AT_ONCE)
        before = await counts(cluster, raw)
        for number in run.rounds():
            run.progress.at(number, run.count, "start")
            await starts.in_turn(run, number)
        for operation, seconds in seconds_each(before, await counts(cluster, raw)).items():
            run.results.sample(operation_name(operation), NODES, seconds)
        for number in range(0 if run.is_small else ROUNDS_AT_ONCE):
            run.progress.at(number + 1, ROUNDS_AT_ONCE, f"{AT_ONCE} at one time,")
            await starts.in_turn(run, number + 1, AT_ONCE)
        async with warm_bots(site, starts.kept):
            for number in run.rounds():
                run.progress.at(number, run.count, "start by a warm bot")
                await starts.by_warm_bots(run, number)
            for number in range(0 if run.is_small else ROUNDS_AT_ONCE):
                run.progress.at(number + 1, ROUNDS_AT_ONCE, f"{AT_ONCE} by warm bots at one time,")
                await starts.by_warm_bots(run, number + 1, AT_ONCE)


@dataclass(frozen=True)
class NodeStarts:
    """Starts at a site, so many at one time.

    Attributes:
        kept: How many warm bots there are before a start.
    """

    site: NodeSite
    raw: Raw
    pods: Pods
    kept: int

    async def in_turn(self, run: BenchRun, number: int, at_once: int = 1) -> None:
        """Start so many sessions, and when all of them are over as many bare Jobs.

        Starts one at a time are followed by Jobs whose pods have more, or less.
        """
        names = [f"bench-{at_once}-{number}-{each}" for each in range(at_once)]
        sessions = (start_session(self.site, self.pods, each) for each in names)
        note(run, number, at_once, OURS, await asyncio.gather(*sessions))
        await self._bare(run, number, names, BARE, without_copy)
        if at_once == 1:
            await self._bare(run, number, names, COPYING, as_it_is)
            await self._bare(run, number, names, NO_VOLUMES, without_volumes)

    async def by_warm_bots(self, run: BenchRun, number: int, at_once: int = 1) -> None:
        """Start so many sessions, once enough warm bots wait."""
        await until_ready(self.site, self.kept)
        names = [f"bench-warm-{at_once}-{number}-{each}" for each in range(at_once)]
        starts = (start_by_warm_bot(self.site, AGENT, each) for each in names)
        note(run, number, at_once, WARM, await asyncio.gather(*starts))

    async def _bare(
        self, run: BenchRun, number: int, names: list[str], contender: str, change: Callable[[Pod], Pod]
    ) -> None:
        suffix = contender.replace(" ", "-").lower()
        jobs = (start_bare_job(self.raw, self.pods, f"{each}-{suffix}", change) for each in names)
        note(run, number, len(names), contender, await asyncio.gather(*jobs))


def note(run: BenchRun, number: int, at_once: int, contender: str, starts: Iterable[Steps]) -> None:
    name = TOGETHER.format(at_once) if at_once > 1 else ALONE
    for start in starts:
        for step, seconds in start.items():
            run.sample(number, f"{name}{step}", contender, seconds)
