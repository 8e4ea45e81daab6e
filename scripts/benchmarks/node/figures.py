"""`scripts/bench node`: sessions that start on a real node, in turn with bare Jobs, in one table.

It needs what tests/node needs, and runs in namespaces of its own: testing/node/namespaces.sh.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Final

from scripts.benchmarks.cluster.figures import at
from scripts.benchmarks.cluster.progress import done, report
from scripts.benchmarks.cluster.raw import ApiAccess, Raw
from scripts.benchmarks.node.pods import Pods
from scripts.benchmarks.node.starts import Steps, start_bare_job, start_session
from scripts.benchmarks.programs import system
from testing.builds.binaries import ensure_binaries
from testing.builds.images import ensure_images
from testing.builds.node import ALL_PARTS
from testing.node.node_cluster import NodeCluster
from testing.node.scripted import INSTALL, by_script
from testing.node.site import OVERLAY_NAMESPACE, NodeSite, open_site

AT_ONCE: Final = 5
ROUNDS_AT_ONCE: Final = 4
TARGET: Final = "<= 3 s"
HEADINGS: Final = ("", "Podline p50", "p90", "bare Job p50", "p90", "ratio", "target")


@dataclass
class PodStarts:
    """Of both kinds, each in the order in which they were made, in turn."""

    ours: list[Steps] = field(default_factory=list)
    bare: list[Steps] = field(default_factory=list)


async def measure(starts: int) -> str:
    """The table, with so many starts of each kind one after another."""
    report("the cluster starts")
    async with NodeCluster(ensure_binaries(ALL_PARTS), ensure_images().values()) as cluster:
        with contextlib.redirect_stdout(sys.stderr):
            await by_script(cluster, INSTALL)
        access = ApiAccess(cluster.url, cluster.admin_token, str(cluster.ca_file), OVERLAY_NAMESPACE)
        async with open_site(cluster, OVERLAY_NAMESPACE) as site, Raw(access) as raw, Pods(raw) as pods:
            # The first of each kind only warms up.
            await in_turn(site, raw, pods, PodStarts())
            alone, together = PodStarts(), PodStarts()
            for number in range(starts):
                report(f"start {number + 1} of {starts}")
                await in_turn(site, raw, pods, alone, f"alone-{number}")
            for number in range(ROUNDS_AT_ONCE):
                report(f"{AT_ONCE} at one time, {number + 1} of {ROUNDS_AT_ONCE}")
                await in_turn(site, raw, pods, together, f"together-{number}", AT_ONCE)
    done()
    return table(alone, together)


async def in_turn(
    site: NodeSite, raw: Raw, pods: Pods, starts: PodStarts, name: str = "warm-up", at_once: int = 1
) -> None:
    """Start so many sessions, and when all of them are over as many bare Jobs."""
    names = [f"{name}-{number}" for number in range(at_once)]
    starts.ours += await asyncio.gather(*(start_session(site, pods, each) for each in names))
    starts.bare += await asyncio.gather(*(start_bare_job(raw, pods, each) for each in names))


def table(alone: PodStarts, together: PodStarts) -> str:
    rows = [
        HEADINGS,
        ("one at a time",),
        row("accepted to launched / request to answer", alone, "accepted to launched"),
        row("launched to scheduled", alone, "launched to scheduled"),
        row("scheduled to process up", alone, "scheduled to process up"),
        row("process up to joined", alone, "process up to joined"),
        row("accepted to scheduled", alone, "to scheduled"),
        row("accepted to process up", alone, "to process up"),
        row("accepted to seen running", alone, "to seen running"),
        row("accepted to joined", alone, "to joined", TARGET),
        (f"{AT_ONCE} at one time",),
        row("accepted to scheduled", together, "to scheduled"),
        row("accepted to process up", together, "to process up"),
        row("accepted to joined", together, "to joined"),
    ]
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(each, widths, strict=False))
        ).rstrip()
        for each in rows
    ]
    count = len(alone.ours)
    heading = f"{count} sessions and {count} bare Jobs in turn, the image present; {system()}"
    return "\n".join([heading, "", *lines])


def row(what: str, starts: PodStarts, step: str, target: str = "") -> tuple[str, ...]:
    ours = [each[step] for each in starts.ours]
    bare = [each[step] for each in starts.bare if step in each]
    ratio = f"{statistics.median(ours) / statistics.median(bare):.2f}" if bare else ""
    return (f"  {what}", *both(ours), *both(bare), ratio, target)


def both(samples: Sequence[float]) -> tuple[str, str]:
    """Return the median and the ninetieth percentile, if there are values."""
    return (seconds(statistics.median(samples)), seconds(at(samples, 0.9))) if samples else ("", "")


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"
