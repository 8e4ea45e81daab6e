"""A caller who waits in vain because of a processor: the call's end blames it, not the model."""

from __future__ import annotations

from collections.abc import Callable

from pipecat.frames.frames import LLMContextFrame, LLMMessagesAppendFrame, OutputAudioRawFrame
from pipecat.pipeline.parallel_pipeline import ParallelPipeline
from pipecat.processors.filters.null_filter import NullFilter
from pipecat.processors.frame_processor import FrameProcessor

from podline.contract.reasons import Reason
from podline.runner.ending import CallEnding
from tests.unit.podline.runner.health.calls import blocks, keeps, on_the_phone, side_by_side


def branched(parts: list[FrameProcessor]) -> list[FrameProcessor]:
    """Put what is between the room's ends into a branch beside an empty one."""
    microphone, *inner, loudspeaker, assistant = parts
    return [microphone, ParallelPipeline(inner, [NullFilter()]), loudspeaker, assistant]


async def ending_of_silence(
    spoil: Callable[[FrameProcessor], None],
    name: str,
    arrange: Callable[[list[FrameProcessor]], list[FrameProcessor]] = list,
) -> tuple[str, CallEnding]:
    """Return the spoilt processor's name, and how the call ends after the caller has typed something."""
    async with on_the_phone(mute_seconds=4, arrange=arrange) as call:
        part = call.part(name)
        spoil(part)
        typed = LLMMessagesAppendFrame(messages=[{"role": "user", "content": "find a lamp"}], run_llm=True)
        await call.worker.queue_frame(typed)
        return part.name, await call.ended()


async def test_the_processor_that_withholds_the_answer_is_named() -> None:
    (sticks, stuck), (drops, dropped), (_, unanswered), (_, in_branch) = await side_by_side(
        [
            ending_of_silence(blocks, "OfTheAuthor"),
            ending_of_silence(keeps(OutputAudioRawFrame), "OfTheAuthor"),
            ending_of_silence(keeps(LLMContextFrame), "Model"),
            ending_of_silence(keeps(LLMContextFrame), "Model", branched),
        ]
    )

    assert f"{sticks} has been stuck while the caller waited for an answer" in stuck.message
    assert f"{drops} did not pass on what the bot says" in dropped.message
    assert stuck.reason is dropped.reason is Reason.CRASHED
    for ending in (unanswered, in_branch):
        assert ending.reason is Reason.MODEL_LOST, "a model that does not answer is to blame itself"
