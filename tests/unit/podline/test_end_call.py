"""The tool that ends a call, as a model and the runner see it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pipecat.adapters.llm.schemas.direct_function import DirectFunctionWrapper
from pipecat.services.llm_service import FunctionCallParams

import podline
from podline.current_call import UnattachedCall
from podline.end_call import end_call


async def test_the_call_is_told_of_the_goodbye_before_the_model_may_say_it() -> None:
    order: list[str] = []

    class EndedCall(UnattachedCall):
        def end(self, reason: str | None = None) -> None:
            order.append(f"ended: {reason}")

    async def take(result: dict[str, Any]) -> None:
        order.append(result["next"])

    podline.install_call(EndedCall())
    await end_call(cast("FunctionCallParams", SimpleNamespace(result_callback=take)))

    assert order == ["ended: None", "Say goodbye in one short sentence. Then the call ends."]


def test_the_model_is_told_when_to_call_it() -> None:
    declared = DirectFunctionWrapper(end_call).to_function_schema()

    assert (declared.name, declared.properties) == ("end_call", {})
    assert "Call it before you say goodbye" in declared.description
