"""What callers of generated projects do, and what the record of such a call has, wherever the bot runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.caller import Caller
from testing.projects.generated import CASCADE, REALTIME

MOMENTS: Final = ("accepted", "launched", "process_up", "joined", "caller_joined", "first_speech", "ended")


async def converse(caller: Caller) -> None:
    """Be greeted, ask something, and hear an answer."""
    await caller.hears_bot()
    await caller.bot_quiet()
    asked = await caller.say("find running shoes")
    assert await caller.hears_bot() > asked
    await caller.bot_quiet()
    # Heard and spoken words reach the page, as Pipecat's own runner sends them.
    assert {"user-transcription", "bot-output"} <= {message.type for message in caller.messages}


def check_record(session: dict[str, Any], agent: str) -> None:
    """Check what the record of such a call has, whatever the bot consists of."""
    assert (session["agent"], session["reason"]) == (agent, "caller_left")
    moments = [session["timeline"][moment] for moment in MOMENTS]
    assert moments == sorted(moments)
    assert session["usage"]["turns"] >= 1
    assert session["usage"]["talk_seconds"]["caller"] > 0
    assert session["usage"]["talk_seconds"]["bot"] > 0


def check_realtime_usage(usage: dict[str, Any]) -> None:
    [tokens] = usage["models"].values()
    assert tokens["input_audio_tokens"] > 0
    assert tokens["output_audio_tokens"] > 0


def check_cascade_usage(usage: dict[str, Any]) -> None:
    models = usage["models"]
    assert len(models) == 3
    for count in ("prompt_tokens", "audio_seconds", "characters"):
        assert [name for name, counts in models.items() if counts[count] > 0] != []


CHECK_USAGE: Final[Mapping[str, Callable[[dict[str, Any]], None]]] = {
    REALTIME.name: check_realtime_usage,
    CASCADE.name: check_cascade_usage,
}
"""By project: checks that each of its services was measured."""
