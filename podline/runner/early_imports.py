"""What a bot imports before it has its call: what any call needs, and what libraries import in one only."""

from __future__ import annotations

import gc
import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from podline.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from podline.runner.attendance import Attendance
    from podline.runner.bot_file import BotFile
    from podline.runner.channel.outbox import Outbox
    from podline.runner.ending import CallEnding
    from podline.runner.observers.spans import Traces
    from podline.runner.settings import RunnerSettings

    LoadBot = Callable[[], Awaitable[BotFile]]
    HoldCall = Callable[
        [LoadBot, RunnerSettings, Outbox, Attendance, Callable[[], None], Traces | None],
        Awaitable[CallEnding],
    ]

PUT_OFF: Final = {
    "httpx": "httpcore",
    "onnxruntime": "pipecat.audio.turn.smart_turn.local_smart_turn_v3",
    "aiortc": "cryptography.hazmat.primitives.serialization",
}
"""What these import only once they are used, or Pipecat with them: 0.1 s of a call's start."""


def import_session() -> HoldCall:
    """Import what runs a call. That takes a second, so variables are checked before.

    Without garbage collection it takes a tenth less (docs/benchmarks.md). The session turns it on again once
    the bot is loaded.
    """
    gc.disable()
    from podline.runner.session import hold_call  # noqa: PLC0415

    return hold_call


def prepare_for_any_call(*, traced: bool) -> None:
    """Import what a call needs, before it is known where its caller is.

    Failures that only some calls have are left to those.
    """
    import_session()
    from podline.runner.room.transports import expect_any_transport  # noqa: PLC0415 - imports Pipecat

    expect_any_transport()
    if traced:
        with suppress(ConfigInvalid, ImportError):
            import podline.runner.observers.spans  # noqa: F401, PLC0415 - only for those who want traces


def import_what_was_put_off() -> None:
    """Import what the libraries that the bot has loaded would import in its call."""
    for library, module in PUT_OFF.items():
        if library in sys.modules:
            with suppress(ImportError):
                importlib.import_module(module)
