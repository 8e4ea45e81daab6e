"""docs/reference/metrics.md is as generated, and its source has an entry for each metric and no other."""

from __future__ import annotations

from testing.metrics_reference import PATH, entries, generated, served


async def test_each_metric_has_an_entry_and_the_document_is_as_generated() -> None:
    metrics = await served()

    assert {name for section in entries().values() for name in section} == set(metrics)
    assert PATH.read_text(encoding="utf-8") == generated(metrics), "run scripts/generate"


async def test_units_are_in_names_as_prometheus_wants_it() -> None:
    metrics = await served()

    for section in entries().values():
        for name, entry in section.items():
            assert (metrics[name].type == "counter") == name.endswith("_total"), name
            assert ("seconds" in name) == (entry.get("unit") == "seconds"), name
            assert entry["meaning"].endswith("."), name
