"""The fault suite, for two minutes: whatever fails, each session is one bot, and its record is true.

PODLINE_FAULT_SEED plays other faults.
"""

from __future__ import annotations

import os
from pathlib import Path

from scripts.benchmarks.faults.auditor import audit
from scripts.benchmarks.faults.figures import play
from scripts.benchmarks.faults.plan import FaultPlan

REPLICAS = 2
MOST_SHOWN = 20
SEED = 1484935829
"""13 kinds of faults in two minutes: both replicas, the API server, nodes, quota, pods and bots."""


async def test_the_auditor_finds_nothing_whatever_fails(tmp_path: Path) -> None:
    seed = int(os.environ.get("PODLINE_FAULT_SEED", "0")) or SEED
    print(f"PODLINE_FAULT_SEED={seed}")  # noqa: T201 - shown where the test fails
    plan = FaultPlan(
        minutes=2, live=20, listed=200, rate=1.0, replicas=REPLICAS, seed=seed, pause_seconds=1.0
    )

    found = await play(plan, tmp_path, print)

    assert len(found.jobs) > plan.live, "hardly any session was started"
    assert found.faults, "no fault struck"
    assert any(bot.is_real and bot.acks for bot in found.bots), "no real bot reported"
    findings = audit(found)
    assert not findings, "\n".join(map(str, findings[:MOST_SHOWN]))
