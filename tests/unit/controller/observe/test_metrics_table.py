"""docs/reference/metrics.md lists each metric that a controller serves, with type and labels, no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from prometheus_client import Metric

from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from testing.fakes.bots.reported import EVENTS, PRICES, TOTALS, batch, gone
from testing.fakes.controllers.site import serve_site

TABLE = Path(__file__).parents[4] / "docs" / "reference" / "metrics.md"
ROW = re.compile(
    r"^\| `(podline_\w+)` \| (counter|gauge|histogram) \|([^|]*)\|([^|]*)\| (.+) \|$", re.MULTILINE
)


class Watched:
    """What a collector asks of a runtime, without one."""

    class Health:
        relists = 1

        def age(self) -> float:
            return 1.0

    watches = {"jobs": Health()}  # noqa: RUF012 - stands in for a property
    writes_pending = 0


def documented() -> dict[str, tuple[str, set[str]]]:
    text = TABLE.read_text(encoding="utf-8")
    rows = ROW.findall(text)
    assert len(rows) == text.count("\n| `podline_")
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, _, labels, _ in rows}


def described(metric: Metric) -> tuple[str, tuple[str, set[str]]]:
    labels = {name for sample in metric.samples for name in sample.labels} - {"le"}
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return name, (metric.type, labels)


async def served() -> dict[str, tuple[str, set[str]]]:
    """What there is once everything has happened."""
    async with serve_site(prices=PRICES) as site:
        registry = site.metrics.registry
        ApiMetrics(registry).answered("GET", {}, 200, 0.1)
        runtime: Any = Watched()
        assert all(hasattr(KubernetesRuntime, name) for name in ("watches", "writes_pending"))
        registry.register(ClusterCollector(runtime))
        session = await site.start()
        unpriced: list[dict[str, Any]] = [
            {"type": "tokens", "model": "new", "tokens": {"prompt_tokens": 1}},
            {"type": "transcribed", "model": "new", "seconds": 1},
            {"type": "synthesized", "model": "new", "characters": 1},
        ]
        events = [*EVENTS, *unpriced, {"type": "mood"}]
        await site.as_bot(session["id"], "POST", "reports", json=batch(1, events, TOTALS, first_speech=9))
        await gone(site, session)
        metrics = [each for each in registry.collect() if not each.name.startswith("process_")]
        return dict(map(described, metrics))


async def test_the_table_has_each_metric_with_its_type_and_labels_and_no_other() -> None:
    assert documented() == await served()


def test_units_are_in_names_as_prometheus_wants_it() -> None:
    for name, kind, unit, _, meaning in ROW.findall(TABLE.read_text(encoding="utf-8")):
        assert (kind == "counter") == name.endswith("_total"), name
        assert ("seconds" in name) == (unit.strip() == "seconds"), name
        assert meaning.rstrip().endswith("."), name
