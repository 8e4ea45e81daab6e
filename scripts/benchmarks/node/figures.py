"""Sessions that start on a real node, in turn with bare Jobs.

It needs what tests/node needs, and runs in namespaces of its own: testing/node/namespaces.sh.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterable
from typing import Final

from scripts.benchmarks.cluster.raw import ApiAccess, Raw
from scripts.benchmarks.node.pods import Pods
from scripts.benchmarks.node.starts import Steps, start_bare_job, start_session
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

OURS: Final = "Podline"
BARE: Final = "bare Job"
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
    "accepted to joined",
)
_OF_MANY: Final = ("accepted to scheduled", "accepted to process up", "accepted to joined")
_TARGETS: Final = {f"{ALONE}accepted to joined": "at most 3 s"}


def _figures() -> Iterable[Figure]:
    names = [ALONE + step for step in _OF_ONE] + [TOGETHER.format(AT_ONCE) + step for step in _OF_MANY]
    ratio = (Comparison(OURS, BARE, is_ratio=True),)
    return (Figure(name, MILLISECONDS, ratio, _TARGETS.get(name, "")) for name in names)


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
        for number in run.rounds():
            run.progress.at(number, run.count, "start")
            await in_turn(run, number, site, raw, pods)
        for number in range(0 if run.is_small else ROUNDS_AT_ONCE):
            run.progress.at(number + 1, ROUNDS_AT_ONCE, f"{AT_ONCE} at one time,")
            await in_turn(run, number + 1, site, raw, pods, AT_ONCE)


async def in_turn(run: BenchRun, number: int, site: NodeSite, raw: Raw, pods: Pods, at_once: int = 1) -> None:
    """Start so many sessions, and when all of them are over as many bare Jobs."""
    name = TOGETHER.format(at_once) if at_once > 1 else ALONE
    names = [f"bench-{at_once}-{number}-{each}".replace("--", "-") for each in range(at_once)]

    def note(contender: str, starts: Iterable[Steps]) -> None:
        for start in starts:
            for step, seconds in start.items():
                run.sample(number, f"{name}{step}", contender, seconds)

    note(OURS, await asyncio.gather(*(start_session(site, pods, each) for each in names)))
    note(BARE, await asyncio.gather(*(start_bare_job(raw, pods, each) for each in names)))
