"""Metrics for a controller under test, and what they show."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from controller.core import default_agent
from controller.observe.labels import Declared
from controller.observe.metrics import Metrics
from controller.observe.prices import PriceList


def some_metrics(
    prices: PriceList | None = None, tools: Iterable[str] = (), models: Iterable[str] = ()
) -> Metrics:
    """In a registry of their own; `tools` and `models` are declared beside the assistant's."""
    declared = Declared(tools=(*default_agent.TOOLS, *tools), models=(*default_agent.MODELS, *models))
    return Metrics(CollectorRegistry(), prices, declared)


class Scrape:
    """What a registry shows at one moment. Names are given without `podline_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.samples = {
            (sample.name.removeprefix("podline_"), frozenset(sample.labels.items())): sample
            for metric in registry.collect()
            for sample in metric.samples
            if not sample.name.endswith("_created")
        }

    def value(self, name: str, /, **labels: str) -> float:
        """Return one sample; 0 if there is none."""
        sample = self.samples.get((name, frozenset(labels.items())))
        return 0.0 if sample is None else sample.value

    def total(self, name: str, /, **labels: str) -> float:
        """All samples of this name that have these labels, added up."""
        wanted = labels.items()
        return sum(
            each.value for (other, has), each in self.samples.items() if other == name and wanted <= has
        )

    @property
    def series(self) -> int:
        return len(self.samples)
