"""Our runner without one thing that spares the processor, for bots of users with its name.

`python -m scripts.benchmarks.calls.unspared_bot`: for a user `decoding`, for example, aiortc decodes in its
thread.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from podline.contract import environment
from podline.runner.__main__ import main

if TYPE_CHECKING:
    from podline.runner.early_imports import HoldCall

SPARED: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "encoding": (("podline.runner.room.steady_webrtc", "sends_opus"),),
    "decoding": (("podline.runner.room.guarded_connection", "decode_directly"),),
    "detection": (("podline.runner.pipeline", "detect_voice_when_audible"),),
    "observers": (("podline.runner.pipeline", "spare_observers"),),
}
"""What can be left out, and the functions that do it: without effect, everything is as in Pipecat."""
EVERYTHING: Final = "everything"


def without(name: str) -> Callable[[HoldCall], HoldCall]:
    """Hold calls without that."""
    left_out = [each for key, functions in SPARED.items() if name in (key, EVERYTHING) for each in functions]

    def around(hold: HoldCall) -> HoldCall:
        for module, function in left_out:
            setattr(importlib.import_module(module), function, _nothing)
        return hold

    return around


def _nothing(*_: Any) -> None: ...


if __name__ == "__main__":
    main(without(os.environ.get(environment.USER_ID, "")))
