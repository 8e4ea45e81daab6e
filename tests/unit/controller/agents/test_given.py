"""What stands for all that a cluster's bots are given: another text once template or secret sets change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from controller.agents.cluster.given import GivenByTemplate
from controller.core.agents import AgentDefinition, AgentVersion
from controller.core.secret_sets import SecretSet
from controller.runtimes.kubernetes.job.template import JobTemplate, read_template
from testing.cluster.site import write_template

SHOP = AgentVersion(definition=AgentDefinition(name="shop", secret_set="keys"), serial=1)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def template(directory: Path, **annotations: str) -> JobTemplate:
    return read_template(write_template(directory, annotations), "podline")


def text(of: JobTemplate, *sets: SecretSet, agent: AgentVersion = SHOP) -> str:
    return GivenByTemplate(of, {each.name: each for each in sets}.get).text(agent)


def test_it_changes_with_each_write_to_a_set_and_with_the_template(tmp_path: Path) -> None:
    plain = template(tmp_path)
    keys = SecretSet(name="keys", keys=("A",), updated=AT)
    texts = [
        text(plain),
        text(plain, keys),
        text(plain, replace(keys, updated=AT + timedelta(microseconds=1))),
        text(template(tmp_path, team="sales"), keys),
        text(plain, keys, agent=replace(SHOP, serial=2)),
    ]

    assert len(set(texts)) == len(texts)
    other: dict[str, Any] = {"name": "other", "updated": AT}
    assert text(plain, keys, SecretSet(**other)) == text(plain, keys) == texts[1]


def test_it_is_made_again_only_after_a_change(tmp_path: Path) -> None:
    sets = {"keys": SecretSet(name="keys", updated=AT)}
    given = GivenByTemplate(template(tmp_path), sets.get)
    first = given.text(SHOP)
    assert given.text(SHOP) is first

    sets["keys"] = replace(sets["keys"], updated=AT + timedelta(seconds=1))
    second = given.text(SHOP)
    assert (second != first, given.text(SHOP)) == (True, second)
