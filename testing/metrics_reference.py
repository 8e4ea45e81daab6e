"""docs/reference/metrics.md: each metric that a controller serves, with its type, unit, labels and meaning.

Run as `python -m testing.metrics_reference`, writes it.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client import Metric

from controller.runtimes.kubernetes.metrics import ApiMetrics, ClusterCollector
from controller.runtimes.kubernetes.runtime import KubernetesRuntime
from testing.fakes.bots.reported import EVENTS, PRICES, TOTALS, batch, gone
from testing.fakes.controllers.agents import NamedAgents
from testing.fakes.controllers.site import serve_site
from testing.fakes.controllers.warm_crew import CLERK, until

PATH: Final = Path(__file__).parent.parent / "docs" / "reference" / "metrics.md"
_ENTRIES: Final = Path(__file__).with_name("metric_entries.toml")

_BEGINS: Final = """\
# Metrics

<!-- Made by scripts/generate from what a controller serves, and testing/metric_entries.toml. -->

`GET /metrics` serves these metrics; [Observing](../observing.md#metrics) says where, and to whom. No label
contains a session, a launch, a room or a user. "Exemplar" means that OpenMetrics has the session's trace
(`trace_id`) beside the value, if traces are on and metrics have their own port or need a key.

Labels have these values, and `other` for all the rest: `service`, `model` and `tool` the declared names
(services and models of the price file, of `PODLINE_SERVICES` and of `PODLINE_MODELS`, tools of
`PODLINE_TOOLS`); `agent` the defined agents, at most 200; `kind` at most 32 values that bots report, four
per session.
"""

_ENDS: Final = """\

The process's own metrics (`process_cpu_seconds_total`, `process_resident_memory_bytes` and so on) are
served too.
"""


class Served(NamedTuple):
    """What a controller shows of a metric."""

    type: str
    labels: tuple[str, ...]


class _Watched:
    """What a collector asks of a runtime, without one."""

    class Health:
        relists = 1

        def age(self) -> float:
            return 1.0

    watches: Final[Mapping[str, Health]] = {"jobs": Health()}
    writes_pending = 0


def entries() -> dict[str, dict[str, dict[str, str]]]:
    """Return unit and meaning of each metric, by section."""
    return tomllib.loads(_ENTRIES.read_text(encoding="utf-8"))


async def served() -> dict[str, Served]:
    """Return each metric of a controller on Kubernetes once everything has happened."""
    async with serve_site(prices=PRICES, agents=NamedAgents(CLERK)) as site:
        registry = site.metrics.registry
        ApiMetrics(registry).answered("GET", {}, 200, 0.1)
        runtime: Any = _Watched()
        if not all(hasattr(KubernetesRuntime, name) for name in ("watches", "writes_pending")):
            raise AssertionError("the stand-in for a runtime lacks what a collector asks for")
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
        await until(lambda: bool(site.runtime.warm))
        metrics = [each for each in registry.collect() if not each.name.startswith("process_")]
        return dict(map(_described, metrics))


def _described(metric: Metric) -> tuple[str, Served]:
    labels = dict.fromkeys(name for sample in metric.samples for name in sample.labels if name != "le")
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    return name, Served(metric.type, tuple(labels))


def generated(metrics: Mapping[str, Served]) -> str:
    """Return the document for these metrics."""
    return "\n".join([_BEGINS, *_sections(metrics)]) + _ENDS


def _sections(metrics: Mapping[str, Served]) -> Iterator[str]:
    for title, section in entries().items():
        yield f"## {title}\n"
        yield "| Name | Type | Unit | Labels | Meaning |"
        yield "|---|---|---|---|---|"
        for name, entry in section.items():
            metric = metrics[name]
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{name}` | {metric.type} | {entry.get('unit', '')} | {labels} | {entry['meaning']} |"
        yield ""


if __name__ == "__main__":
    PATH.write_text(generated(asyncio.run(served())), encoding="utf-8")
