"""The situations and random faults of a misbehaving model: whether the sandbox plays them, and their page."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import msgspec
import pytest

from sandbox.gemini.manners import ModelOrder
from scripts.benchmarks.never_mute.faults import draw
from testing.model_faults.playing import plans_of
from testing.model_faults.situations import Order, Situation
from testing.model_faults.table import IN_ROOMS, SITUATIONS
from testing.processes import ROOT

PAGE = ROOT / "docs" / "reference" / "model-faults.md"


def is_taken(order: Order) -> Any:
    """Read an order as the sandbox does, which raises where it would refuse it."""
    parameters = {name: value for name, value in order.items() if name != "fault"}
    body = msgspec.json.encode({"target": "model", "name": order["fault"], **parameters})
    return msgspec.json.decode(body, type=ModelOrder)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_sandbox_takes_the_orders_of_each_situation(situation: Situation) -> None:
    for order in situation.orders:
        assert is_taken({"now": situation.at == "turn", **order}).name == order["fault"]


def test_the_sandbox_takes_whatever_is_drawn_and_a_seed_draws_the_same_again() -> None:
    for number in range(2000):
        fault, again = (draw(Random(f"7 {number}")) for _ in range(2))  # noqa: S311 - not for secrets
        assert [is_taken(order).name for order in fault.orders] == [order["fault"] for order in fault.orders]
        assert again == fault


def test_situations_share_calls_that_outlast_them() -> None:
    calls = [plan.situations for plan in plans_of(SITUATIONS)]

    assert sorted(each.name for call in calls for each in call) == sorted(each.name for each in SITUATIONS)
    for call in calls:
        assert all(each.reason is None for each in call[:-1])
        assert all(each.at == "turn" for each in call[1:])
    assert len(calls) < len(SITUATIONS) / 2


def test_the_page_has_a_row_for_each_situation_with_its_reason_and_the_rooms_it_is_tested_in() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    documented = {
        row[0]: (_reason_in(row[3]), row[4]) for row in rows if len(row) == 5 and row[0] != "Situation"
    }

    in_rooms = {situation.name for situation in IN_ROOMS}
    assert documented == {
        each.name: (each.reason, "WebRTC, LiveKit" if each.name in in_rooms else "WebRTC")
        for each in SITUATIONS
    }


def _reason_in(cell: str) -> str | None:
    """Return the session's reason that a row names first."""
    named = re.match(r"`(\w+)`", cell)
    return None if named is None else named[1]
