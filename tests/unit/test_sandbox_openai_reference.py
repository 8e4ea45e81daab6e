"""The document of what the sandbox's OpenAI can be ordered to do: as the code says, and taken."""

import json
from typing import Any, get_args

import msgspec
import pytest

from sandbox.openai.orders import OpenAIMisbehaviour, no_orders
from testing.sandbox_openai_reference import PAGE, SITUATIONS, page


def test_the_document_is_as_generated() -> None:
    assert PAGE.read_text() == page(), "run scripts/generate"


@pytest.mark.parametrize(("situation", "orders"), SITUATIONS, ids=[situation for situation, _ in SITUATIONS])
def test_a_situation_can_be_ordered(situation: str, orders: Any) -> None:
    for order in orders:
        taken = no_orders().read(json.dumps({"target": "openai", **order}).encode())
        assert msgspec.to_builtins(taken).items() >= order.items(), situation


def test_every_order_has_a_situation() -> None:
    played = {order["name"] for _, orders in SITUATIONS for order in orders}
    assert played == {kind.__struct_config__.tag for kind in get_args(OpenAIMisbehaviour)}
