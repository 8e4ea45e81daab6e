"""Pipecat's voice detection by Silero, which runs its model only while the caller may be speaking."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pipecat.audio.vad.vad_analyzer import VADAnalyzer, VADState
from pipecat.pipeline.worker import PipelineWorker

from podline.runner.attachment import every_processor

if TYPE_CHECKING:
    from pipecat.audio.vad.silero import SileroVADAnalyzer

KEPT_WINDOWS: Final = 32
"""How much of the caller's latest audio the model hears once it may be speech: a second, in windows of 32 ms.

Pipecat resets the model every two seconds of silence, so on average that is what it has heard by then."""

_DECIDING: Final = ("analyze_audio", "voice_confidence", "_get_smoothed_volume", "_run_analyzer")


def detect_voice_when_audible(worker: PipelineWorker) -> None:
    """Have the worker's detection by Silero run its model for sound only, and without a thread.

    Pipecat takes a window for speech only if model and volume say so. While the volume doesn't, the model
    need not. Another kind of detection, or a class of the bot's own that changes how this one decides, stays
    as it is.
    """
    silero = sys.modules.get("pipecat.audio.vad.silero")
    for each in every_processor(worker.pipeline):
        controller = getattr(each, "_vad_controller", None)
        analyzer: Any = getattr(controller, "_vad_analyzer", None)
        if silero is not None and _decides_as(silero.SileroVADAnalyzer, analyzer):
            _spare_model(analyzer)


def _decides_as(theirs: type[VADAnalyzer], analyzer: Any) -> bool:
    own = type(analyzer)
    return all(
        hasattr(theirs, name) and getattr(own, name, None) is getattr(theirs, name) for name in _DECIDING
    )


def _spare_model(analyzer: SileroVADAnalyzer) -> None:
    if "voice_confidence" in vars(analyzer):
        # It belongs to two processors.
        return
    confidence, smoothed_volume = analyzer.voice_confidence, analyzer._get_smoothed_volume  # noqa: SLF001 - Pipecat has no other way
    volume = 0.0
    waiting: deque[Any] = deque(maxlen=KEPT_WINDOWS)
    has_dropped = False

    def confidence_if_audible(buffer: Any) -> float:
        # Pipecat asks for a window's confidence, then for its volume.
        nonlocal has_dropped, volume
        volume = smoothed_volume(buffer)
        has_dropped = has_dropped or len(waiting) == KEPT_WINDOWS
        waiting.append(buffer)
        is_quiet = analyzer._vad_state is VADState.QUIET  # noqa: SLF001 - likewise
        if is_quiet and volume < analyzer.params.min_volume:
            return 0.0
        if has_dropped:
            # It goes on from what it heard before the silence.
            analyzer._model.reset_states()  # noqa: SLF001 - likewise
            has_dropped = False
        latest = 0.0
        while waiting:
            latest = confidence(waiting.popleft())
        return latest

    def volume_of_window(audio: bytes) -> float:  # noqa: ARG001 - Pipecat's name
        return volume

    async def analyze_audio(buffer: bytes) -> VADState:
        return analyzer._run_analyzer(buffer)  # noqa: SLF001 - as Pipecat does in a thread

    analyzer.voice_confidence = confidence_if_audible  # type: ignore[method-assign]  # Pipecat made it
    analyzer._get_smoothed_volume = volume_of_window  # type: ignore[method-assign]  # noqa: SLF001 - likewise
    analyzer.analyze_audio = analyze_audio  # type: ignore[method-assign]  # likewise
