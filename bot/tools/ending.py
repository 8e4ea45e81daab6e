"""The tool with which the model ends the call when the caller wants to."""

from collections.abc import Callable

from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.services.llm_service import FunctionCallParams


def end_call_tool(on_goodbye: Callable[[], None]) -> FunctionSchema:
    """Return `end_call`, which has no parameters.

    `on_goodbye` is called before the model gets the tool's result. The model's next words are the goodbye,
    and the call ends after them.
    """

    async def end_call(params: FunctionCallParams) -> None:
        on_goodbye()
        await params.result_callback({"next": "Say goodbye in one short sentence. Then the call ends."})

    return FunctionSchema(
        name="end_call",
        description=(
            "End the call when the caller says goodbye or wants to hang up. "
            "Call it before you say goodbye, and say goodbye after it has returned."
        ),
        properties={},
        required=[],
        handler=end_call,
    )
