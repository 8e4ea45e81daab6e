"""The fault suite, for two minutes: whatever fails, one session is one bot, and its record is the truth.

PODLINE_FAULT_SEED plays one run again.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from scripts.benchmarks.faults.auditor import audit
from scripts.benchmarks.faults.figures import play
from scripts.benchmarks.faults.plan import FaultPlan

REPLICAS = 2
MOST_SHOWN = 20


async def test_no_fault_makes_a_duplicate_an_orphan_or_a_false_record(tmp_path: Path) -> None:
    seed = int(os.environ.get("PODLINE_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
    print(f"PODLINE_FAULT_SEED={seed}")  # noqa: T201 - shown where the test fails
    plan = FaultPlan(
        minutes=2, live=20, listed=200, rate=1.0, replicas=REPLICAS, seed=seed, pause_seconds=1.0
    )

    found = await play(plan, tmp_path, print)

    assert len(found.jobs) > plan.live, "hardly any session was started"
    assert found.faults, "no fault struck"
    findings = audit(found)
    assert not findings, "\n".join(map(str, findings[:MOST_SHOWN]))
