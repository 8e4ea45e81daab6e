"""When each processor of a pipeline last took and passed on the frames that show its health."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    HeartbeatFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    StartFrame,
    StopFrame,
    UserMuteStartedFrame,
    UserMuteStoppedFrame,
)
from pipecat.pipeline.base_pipeline import BasePipeline
from pipecat.pipeline.pipeline import PipelineSink, PipelineSource
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport

_FOLLOWED: Final = (
    HeartbeatFrame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    StartFrame,
    EndFrame,
    StopFrame,
    CancelFrame,
)

_WAITING_FRAMES: Final = 25
"""More of the caller's audio than ever waits in a healthy call: half a second."""

Kind = type[Frame]


class Progress:
    """Follows a few kinds of frames through each processor, by the processors' own events.

    An observer would get every push of every frame through a queue of its own, which costs more.
    """

    def __init__(self, root: BasePipeline, now: Callable[[], float]) -> None:
        """Follow the frames of a pipeline, with all the pipelines in it."""
        self._now = now
        self._took: dict[tuple[Kind, FrameProcessor], float] = {}
        self._passed: dict[tuple[Kind, FrameProcessor], float] = {}
        self._kinds: dict[Kind, Kind | None] = {}
        self._muted = False
        self._spoke = now()
        self._held_audio: dict[FrameProcessor, float] = {}
        self.processors = tuple(each for each in _within(root) if not each.processors)
        for each in _within(root):
            each.add_event_handler("on_before_process_frame", self._take)
            each.add_event_handler("on_before_push_frame", self._pass)

    def holder_of(self, kind: Kind) -> FrameProcessor | None:
        """Return the first processor that was given such a frame and has not passed it on."""
        for each in self.processors:
            given = each.previous is not None and (kind, each.previous) in self._passed
            if given and (kind, each) not in self._passed and not isinstance(each, PipelineSink):
                return each
        return None

    def skip(self, processor: FrameProcessor, kind: Kind) -> None:
        """Note that the processor's successor gets such a frame without it."""
        self._passed[kind, processor] = self._now()

    def stuck_for(self, seconds: float) -> FrameProcessor | None:
        """Return the first processor that has let a heartbeat wait for this long.

        A processor that takes each heartbeat and drops it is a filter, and works. A transport's output takes
        it at once and passes it on after what it has to play, so for an output only passing on counts.
        While it plays, nothing counts as waiting, because speech services hold back what comes next.
        """
        for each in self.processors:
            given = self._passed.get((HeartbeatFrame, each.previous)) if each.previous else None
            if given is None or isinstance(each, PipelineSource | PipelineSink):
                continue
            moves = self._passed if isinstance(each, BaseOutputTransport) else self._took
            moved = max(moves.get((HeartbeatFrame, each), 0.0), self._started, self._spoke)
            if given > moved and self._now() - moved >= seconds:
                return each
        return None

    def silencer(self, seconds: float) -> FrameProcessor | None:
        """Return the first processor, up to the room's output, that took sound this long ago and kept it."""
        for each in self.processors:
            took = self._took.get((OutputAudioRawFrame, each), 0.0)
            passed = self._passed.get((OutputAudioRawFrame, each), 0.0)
            if passed < took <= self._now() - seconds and not isinstance(each, PipelineSource | PipelineSink):
                return each
            if isinstance(each, BaseOutputTransport):
                break
        return None

    def deaf_for(self, seconds: float) -> FrameProcessor | None:
        """Return the first processor that has taken this much of the caller's audio and passed none of it on.

        A processor that never passes audio on is not meant: it is a model, or hears for one. Nor are
        Pipecat's filters, and nothing counts while the caller is muted.
        """
        if self._muted:
            return None
        return next((each for each in self.processors if self._keeps_audio(each, seconds)), None)

    def _keeps_audio(self, processor: FrameProcessor, seconds: float) -> bool:
        if not isinstance(processor, BaseInputTransport):
            return self._held_audio.get(processor, 0.0) >= seconds
        # Audio that a room's input takes is not in the pipeline yet: it waits in a queue of the input's own.
        waiting = getattr(processor, "_audio_in_queue", None)
        passed = max(self._passed.get((InputAudioRawFrame, processor), 0.0), self._started)
        return waiting is not None and waiting.qsize() >= _WAITING_FRAMES and self._now() - passed >= seconds

    @property
    def _started(self) -> float:
        first = self.processors[0]
        return self._passed.get((StartFrame, first), self._now())

    def _take(self, processor: FrameProcessor, frame: Frame) -> None:
        kind = self._kind(frame)
        if kind is None:
            return
        self._took[kind, processor] = self._now()
        if isinstance(frame, InputAudioRawFrame) and processor in self._held_audio:
            self._held_audio[processor] += frame.num_frames / max(1, frame.sample_rate)

    def _pass(self, processor: FrameProcessor, frame: Frame) -> None:
        if isinstance(frame, UserMuteStartedFrame | UserMuteStoppedFrame):
            self._muted = isinstance(frame, UserMuteStartedFrame)
            self._held_audio = dict.fromkeys(self._held_audio, 0.0)
            return
        if isinstance(frame, InterruptionFrame):
            # What was to be said before is dropped.
            self._passed[OutputAudioRawFrame, processor] = self._now()
            return
        kind = self._kind(frame)
        if kind is not None:
            self._passed[kind, processor] = self._now()
            if kind is InputAudioRawFrame and not _is_filter(processor):
                self._held_audio[processor] = 0.0
            elif kind is OutputAudioRawFrame and isinstance(processor, BaseOutputTransport):
                self._spoke = self._now()

    def _kind(self, frame: Frame) -> Kind | None:
        actual = type(frame)
        if actual not in self._kinds:
            self._kinds[actual] = next((kind for kind in _FOLLOWED if issubclass(actual, kind)), None)
        return self._kinds[actual]


def _within(pipeline: FrameProcessor) -> Iterator[FrameProcessor]:
    """Yield the processors of a pipeline in their order; a pipeline within it follows its own processors."""
    for each in pipeline.processors:
        yield from _within(each)
        yield each


def _is_filter(processor: FrameProcessor) -> bool:
    return type(processor).__module__.startswith("pipecat.processors.filters")
