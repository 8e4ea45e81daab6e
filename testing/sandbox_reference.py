"""What the sandbox's model can be ordered to do, as a document, from the orders' classes.

Run as `python -m testing.sandbox_reference`, writes docs/reference/sandbox-model.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from sandbox.gemini.faults import Aimed, AtMoment, Moment, OfTurn
from sandbox.gemini.manners import Manner, ModelOrder, OfCalls, OfTurns
from sandbox.misbehaviour import Misbehaviour
from testing.order_tables import as_json, order_row, shared_rows

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "sandbox-model.md"
_SHARED: Final[tuple[tuple[str, type[msgspec.Struct]], ...]] = (
    ("all", Misbehaviour),
    ("all", Aimed),
    ("orders with a moment or turns", OfTurn),
    ("orders with a moment", AtMoment),
    ("orders for turns", OfTurns),
    ("orders for tool calls", OfCalls),
)

_BEGINS: Final = """\
# Faults of the sandbox's model

<!-- Made by scripts/generate from sandbox/gemini/faults.py, manners.py and testing/sandbox_reference.py. -->

<!-- not run: needs a call in progress -->
```sh
alias control=".venv/bin/python -m sandbox.control --directory DIR"
control conversations
control order empty_turn conversation=0 turn=greeting turns=1 now=true
control forget
```

`DIR` is the directory with the sandbox's `sandbox.env`, for the demo `.podline/demo-7860`. Instead of it,
`--url URL` names the store's address.
`conversation=` takes a name or an index from the list. The same over HTTP, at the store's address: `GET
/sandbox/conversations`, `POST /sandbox/behaviour` with `{"target": "model", "name": "empty_turn",
"conversation": NAME, "now": true, ...}` and `DELETE /sandbox/behaviour`
([sandbox/README.md](../../sandbox/README.md)).

## Aim an order at a call and a moment

An order without `conversation` applies to all callers: to the next `times` connections, or with `now` to
all that are open. With `conversation` it applies to that caller alone: to the caller's next `times`
connections, or with `now` to the open one and, if `times` is more, to those that follow. It follows the
caller if a handle resumes the conversation, and if a reconnect begins another one: a connection that
begins anew from the same address within 10 seconds after one was lost counts as the same caller's
(`succeeds` in the records). A connection counts as lost if it broke, or if an order applied to it. A client
that closes any other connection has left. `DELETE /sandbox/behaviour` also forgets who lost a connection.

An order with `"instruction": TEXT` applies to the one caller whose system instruction contains the text, even
if that caller has yet to connect. It follows the caller in the same way, but recognizes them by the
instruction when a connection begins anew, so that many callers of one address may lose connections at the
same time. Before the setup (`unreachable`, `http_status`) there is no instruction yet: there the sandbox goes
by time and address, and an order applies to a caller only after a loss.

A new connection takes the oldest fault that waits, and all manners. Orders with `now` add up.
"""

MOMENTS: Final[dict[Moment, str]] = {
    "connect": "the client's setup arrived; a `drop` at this moment is a refusal",
    "setup": "the setup was answered",
    "turn_start": "the model has understood the caller and begins a turn, but has sent nothing of it",
    "audio": "a turn's first audio was sent",
    "tool_call": "a tool call was sent",
    "tool_response": "a tool's result arrived; a `drop` loses it",
    "tool_call_cancellation": "a cancellation was sent, such as after a barge-in over a running tool",
    "interrupted": "an interruption was sent",
    "speech": "the caller begins to speak",
    "generation_complete": "`generationComplete` was sent",
    "turn_complete": "`turnComplete` was sent",
    "resumption_update": "a handle was sent",
}

_TABLE: Final = "| {} | Parameters | What the model does |\n| --- | --- | --- |"

SITUATIONS: Final[tuple[tuple[str, tuple[dict[str, Any], ...]], ...]] = (
    ("A turn is answered by `turnComplete` alone, once", ({"name": "empty_turn", "turns": 1},)),
    ("... in every turn, over all reconnects", ({"name": "empty_turn", "times": None},)),
    (
        "... without the transcription of what was heard",
        ({"name": "empty_turn"}, {"name": "withheld", "what": ["input_transcription"]}),
    ),
    ("A greeting is empty", ({"name": "empty_turn", "turn": "greeting"},)),
    ("Nothing follows a tool's result", ({"name": "empty_turn", "turn": "tool_result"},)),
    ("A thought every 5 s, endlessly", ({"name": "thoughts", "every_seconds": 5},)),
    ("Three thoughts, then the answer", ({"name": "thoughts", "every_seconds": 1, "count": 3},)),
    ("Audio of zeros", ({"name": "wrong_audio", "sound": "zeros"},)),
    ("Audio of amplitude 40", ({"name": "wrong_audio", "sound": "noise", "amplitude": 40},)),
    ("A whisper", ({"name": "wrong_audio", "sound": "whisper", "amplitude": 3000},)),
    (
        "The first two seconds of an answer are silent",
        ({"name": "wrong_audio", "sound": "zeros", "until_seconds": 2},),
    ),
    ("A constant offset", ({"name": "wrong_audio", "sound": "offset", "amplitude": 2000},)),
    ("Audio at 8000 per second", ({"name": "wrong_audio", "rate": 8000},)),
    ("No rate in the type", ({"name": "wrong_audio", "mime_type": "audio/pcm"},)),
    ("Opus", ({"name": "wrong_audio", "mime_type": "audio/opus"},)),
    ("Odd byte counts", ({"name": "wrong_audio", "odd_bytes": True},)),
    ("Parts `[thought, audio]`", ({"name": "parts", "order": ["thought", "audio"]},)),
    ("A call only in `modelTurn.parts`", ({"name": "parts", "order": ["function_call"]},)),
    (
        "... and in a message of its own",
        ({"name": "parts", "order": ["text", "audio", "function_call"], "repeat_call": True},),
    ),
    (
        "The answer stops in mid-sentence, and nothing follows",
        ({"name": "withheld", "what": ["everything"], "after_audio_seconds": 1, "turns": 1},),
    ),
    ("`generationComplete` is missing", ({"name": "withheld", "what": ["generation_complete"]},)),
    ("`turnComplete` comes twice", ({"name": "repeated", "what": ["turn_complete"]},)),
    (
        "The model interrupts itself in mid-answer",
        ({"name": "false_interruption", "after": "audio", "delay_seconds": 1},),
    ),
    ("`turnComplete` is missing", ({"name": "withheld", "what": ["turn_complete"]},)),
    (
        "The handle is refused twice",
        ({"name": "drop", "after": "connect", "connection": "resumed", "code": 1007, "times": 2},),
    ),
    ("A resumed session has forgotten everything", ({"name": "amnesia"},)),
    ("The handle comes 3 s late", ({"name": "delayed", "what": ["resumption_update"], "seconds": 3},)),
    ("... or never", ({"name": "no_resumption_handles"},)),
    ("... or the session can't be resumed", ({"name": "no_resumption_handles", "says_so": True},)),
    (
        "A goAway while the turn's handle is on its way",
        (
            {"name": "delayed", "what": ["resumption_update"], "seconds": 3},
            {"name": "go_away", "after": "turn_complete", "time_left_seconds": 10},
        ),
    ),
    (
        "A drop before the greeting is heard",
        ({"name": "drop", "after": "turn_start", "turn": "greeting"},),
    ),
    ("... in mid-answer", ({"name": "drop", "after": "audio", "turn": "answer", "delay_seconds": 1},)),
    ("... while a tool runs", ({"name": "drop", "after": "tool_call"},)),
    ("... before the tool's result is taken", ({"name": "drop", "after": "tool_response"},)),
    ("... after it", ({"name": "drop", "after": "turn_start", "turn": "tool_result"},)),
    ("... after a barge-in over a running tool", ({"name": "drop", "after": "tool_call_cancellation"},)),
    (
        "... after the caller's second turn",
        ({"name": "drop", "after": "turn_start", "turn": "answer", "utterance": 2},),
    ),
    ("One id in two messages", ({"name": "repeated_tool_call", "how": "two_messages"},)),
    ("... again after the answer", ({"name": "repeated_tool_call", "how": "after_turn"},)),
    ("A call is cancelled after 1 s", ({"name": "tool_call_cancellation", "delay_seconds": 1},)),
    ("... after its result", ({"name": "tool_call_cancellation", "after_result": True},)),
    ("An unknown id is cancelled", ({"name": "tool_call_cancellation", "id": "unknown"},)),
    ("A call without an id", ({"name": "wrong_tool_call_id"},)),
    ("... with a very long one", ({"name": "wrong_tool_call_id", "length": 100_000},)),
    (
        "Slow transcriptions",
        ({"name": "delayed", "what": ["input_transcription", "output_transcription"], "seconds": 5},),
    ),
    ("Huge transcriptions", ({"name": "long_transcriptions", "bytes": 500_000},)),
    ("A message over 1 MiB", ({"name": "huge_message", "bytes": 2_000_000, "after": "turn_start"},)),
    ("... over 16 MiB", ({"name": "huge_message", "bytes": 20_000_000, "after": "turn_start"},)),
    ("No pongs", ({"name": "withhold_pongs"},)),
    ("TCP stalls", ({"name": "stall", "reads": False, "after": "turn_start"},)),
    (
        "The connection is closed with the reason `Try again later`",
        ({"name": "drop", "code": 1013, "reason": "Try again later"},),
    ),
    ("Overloaded at connect, twice", ({"name": "http_status", "status": 503, "times": 2},)),
    ("Out of quota at connect", ({"name": "http_status", "status": 429},)),
    ("The setup is answered after 5 s", ({"name": "delayed", "what": ["setup"], "seconds": 5},)),
    ("The setup is never answered", ({"name": "accept_and_hang"},)),
    ("No usage", ({"name": "withheld", "what": ["usage"]},)),
    ("Absurd usage", ({"name": "wrong_usage", "tokens": -1},)),
)
"""Situations that calls have met, and what to order for each."""


def page() -> str:
    """Return the document."""
    faults = [kind for kind in get_args(ModelOrder) if not issubclass(kind, Manner)]
    manners = [kind for kind in get_args(ModelOrder) if issubclass(kind, Manner)]
    return "\n".join(
        [
            _BEGINS,
            "| Of | Parameter | Meaning |\n| --- | --- | --- |",
            *(row for whose, kind in _SHARED for row in shared_rows(whose, kind)),
            "\n| `after` | The moment |\n| --- | --- |",
            *(f"| `{moment}` | {words} |" for moment, words in MOMENTS.items()),
            "\n## Faults, which disturb a connection\n",
            _TABLE.format("Fault"),
            *map(_row, faults),
            "\n## Manners, which change what the model sends\n",
            _TABLE.format("Manner"),
            *map(_row, manners),
            '\n## Situations\n\n| Situation | Orders, with `"target": "model"` |\n| --- | --- |',
            *(f"| {situation} | {'<br>'.join(map(as_json, orders))} |" for situation, orders in SITUATIONS),
            "",
        ]
    )


def _row(kind: type[Aimed]) -> str:
    scope = "moment" if issubclass(kind, AtMoment) else "turns" if issubclass(kind, OfTurns) else "calls"
    return order_row(kind, [f"*{scope}*"] if issubclass(kind, AtMoment | OfTurns | OfCalls) else [])


def main() -> None:
    """Write the document."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
