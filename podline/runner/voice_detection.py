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


def detect_voice_when_audible(worker: PipelineWorker) -> None:
    """Have the worker's detection by Silero run its model for sound only, and without a thread.

    Pipecat takes a window for speech only if model and volume say so. While the volume can't, the model need
    not. A class of the bot's own, or another kind of detection, stays as it is.
    """
    silero = sys.modules.get("pipecat.audio.vad.silero")
    for each in every_processor(worker.pipeline):
        controller = getattr(each, "_vad_controller", None)
        analyzer: Any = getattr(controller, "_vad_analyzer", None)
        if silero is not None and type(analyzer) is silero.SileroVADAnalyzer:
            _spare_model(analyzer)


def _spare_model(analyzer: SileroVADAnalyzer) -> None:
    if "voice_confidence" in vars(analyzer):
        # It belongs to two processors.
        return
    confidence = analyzer.voice_confidence
    waiting: deque[Any] = deque(maxlen=KEPT_WINDOWS)
    has_dropped = False

    def confidence_if_audible(buffer: Any) -> float:
        nonlocal has_dropped
        has_dropped = has_dropped or len(waiting) == KEPT_WINDOWS
        waiting.append(buffer)
        if _is_inaudible(analyzer):
            return 0.0
        if has_dropped:
            # It goes on from what it heard before the silence.
            analyzer._model.reset_states()  # noqa: SLF001 - Pipecat has no other way
            has_dropped = False
        latest = 0.0
        while waiting:
            latest = confidence(waiting.popleft())
        return latest

    async def analyze_audio(buffer: bytes) -> VADState:
        return analyzer._run_analyzer(buffer)  # noqa: SLF001 - as Pipecat does in a thread

    analyzer.voice_confidence = confidence_if_audible  # type: ignore[method-assign]  # Pipecat made it
    analyzer.analyze_audio = analyze_audio  # type: ignore[method-assign]  # likewise


def _is_inaudible(analyzer: VADAnalyzer) -> bool:
    """Return whether the next window can't count as speech, however loud it is, and none is going on.

    Its volume, at most 1, is smoothed with those before it.
    """
    before, weight = analyzer._prev_volume, analyzer._smoothing_factor  # noqa: SLF001 - likewise
    loudest = before + weight * (1 - before)
    return analyzer._vad_state is VADState.QUIET and loudest < analyzer.params.min_volume  # noqa: SLF001 - likewise
