"""The tool with which a model ends the call when the caller wants to."""

from pipecat.services.llm_service import FunctionCallParams

from podline.current_call import call


async def end_call(params: FunctionCallParams) -> None:
    """End the call when the caller says goodbye or wants to hang up.

    Call it before you say goodbye, and say goodbye after it has returned.
    """
    # The text above is for the model. Its next words are the goodbye, and the call ends after them.
    call().end()
    await params.result_callback({"next": "Say goodbye in one short sentence. Then the call ends."})
