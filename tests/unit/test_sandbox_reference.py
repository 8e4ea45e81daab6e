"""The document of what the sandbox's model can be ordered to do: as the code says, and taken."""

import json
from typing import Any, get_args

import msgspec
import pytest

from sandbox.gemini.callers import ModelOrders
from sandbox.gemini.faults import Moment
from sandbox.gemini.manners import ModelOrder
from testing.sandbox_reference import MOMENTS, PAGE, SITUATIONS, page


def test_the_document_is_as_generated() -> None:
    assert PAGE.read_text() == page(), "run scripts/generate"


def test_every_moment_is_explained() -> None:
    assert set(MOMENTS) == set(get_args(Moment))


@pytest.mark.parametrize(("situation", "orders"), SITUATIONS, ids=[situation for situation, _ in SITUATIONS])
def test_a_situation_can_be_ordered(situation: str, orders: Any) -> None:
    model = ModelOrders(lambda: 0.0)
    for order in orders:
        taken = model.read(json.dumps({"target": "model", **order}).encode())
        assert msgspec.to_builtins(taken).items() >= order.items(), situation


def test_every_order_has_a_situation_unless_it_is_listed_here() -> None:
    played = {order["name"] for _, orders in SITUATIONS for order in orders}
    names = {kind.__struct_config__.tag for kind in get_args(ModelOrder)}
    assert played <= names
    assert names - played == {
        *("unreachable", "refuse_key", "refuse_quota", "refuse_setup", "nonsense"),
        *("unknown_messages", "usage_apart", "wrong_tool_arguments", "unknown_tool"),
    }
