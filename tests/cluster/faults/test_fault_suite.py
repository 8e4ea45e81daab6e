"""The fault suite, for two minutes: whatever fails, one session is one bot, and nothing is left of it.

PODLINE_FAULT_SEED plays other faults. What the auditor says of reasons and usage is printed, not asserted: a
bot that is lost before its leader leaves its usage to one that never heard it (docs/decisions/replicas.md).
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

NOT_HELD = ("reason", "usage")


async def test_no_fault_makes_a_duplicate_or_leaves_an_orphan(tmp_path: Path) -> None:
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
    print("\n".join(map(str, findings)))  # noqa: T201 - likewise
    broken = [each for each in findings if each.check not in NOT_HELD]
    assert not broken, "\n".join(map(str, broken[:MOST_SHOWN]))
