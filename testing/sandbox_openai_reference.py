"""What the sandbox's OpenAI can be ordered to do, as a document, from the orders' classes.

Run as `python -m testing.sandbox_openai_reference`, writes docs/reference/sandbox-openai.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

from sandbox.misbehaviour import Misbehaviour
from sandbox.openai.orders import (
    OpenAIMisbehaviour,
    OpenAIOrder,
    OrderOfCalls,
    OrderOfCompletions,
    OrderOfRequests,
)
from testing.order_tables import as_json, order_row, shared_rows

PAGE: Final = Path(__file__).parent.parent / "docs" / "reference" / "sandbox-openai.md"

_BEGINS: Final = """\
# Faults of the sandbox's OpenAI

<!-- Made by scripts/generate from sandbox/openai/orders.py and testing/sandbox_openai_reference.py. -->

The sandbox serves the requests that Pipecat's OpenAI services send: `POST /v1/chat/completions`, streamed or
not, with tool calls; `POST /v1/audio/transcriptions`, of WAV; `POST /v1/audio/speech`, as PCM or WAV; and
`GET /v1/models`. It accepts the key in `OPENAI_API_KEY` of `sandbox.env`.

<!-- not run: needs a call in progress -->
```sh
alias control=".venv/bin/python -m sandbox.control --directory DIR"
control order rate_limit target=openai endpoint=completions times=3
control order stall target=openai after=first project=ann
control forget
```

The same over HTTP, at the store's address: `POST /sandbox/behaviour` with `{"target": "openai", "name":
"rate_limit", ...}` and `DELETE /sandbox/behaviour`. `GET /sandbox/openai` lists the requests: the time,
project, address and instruction, what was heard, said and called, the usage, and how each ended
([sandbox/README.md](../../sandbox/README.md)).

## Aim an order at requests

An order applies to the next `times` requests that fit it, and each request takes the oldest order that fits.
Orders that name a `project` are for one caller: a bot whose environment has `OPENAI_PROJECT_ID=ann` sends
that name with every request, to all three services. `instruction` is for one caller as well, if the bot's
instructions name them. A request with a wrong key uses up no order. An order can't have `now`, because
requests are short.

OpenAI's client repeats a request by itself, twice unless told otherwise, after 408, 409, 429, a 5xx or a
broken connection. It then waits as long as `Retry-After` says. So a bot notices `rate_limit`, `status`, and
`cut` before the answer only if `times` is 3 or more.
"""

SITUATIONS: Final[tuple[tuple[str, tuple[dict[str, Any], ...]], ...]] = (
    ("A completion is empty", ({"name": "empty_completion"},)),
    ("... in every turn", ({"name": "empty_completion", "times": None},)),
    ("The greeting is empty", ({"name": "empty_completion", "turn": "greeting"},)),
    ("Nothing follows a tool's result", ({"name": "empty_completion", "turn": "tool_result"},)),
    ("Too many requests, once", ({"name": "rate_limit"},)),
    ("... for a while", ({"name": "rate_limit", "retry_after_seconds": 5, "times": 3},)),
    ("The quota is used up", ({"name": "out_of_quota", "times": None},)),
    ("The key was withdrawn", ({"name": "invalid_key", "times": None},)),
    ("The server fails", ({"name": "status", "status": 500, "times": 3},)),
    ("The server is overloaded", ({"name": "status", "status": 503, "times": 3},)),
    ("The model never begins to answer", ({"name": "stall", "after": "request"},)),
    ("The model stops in mid-sentence", ({"name": "stall", "after": "first", "endpoint": "completions"},)),
    ("The voice stops in mid-sentence", ({"name": "stall", "after": "first", "endpoint": "speech"},)),
    ("A slow transcription", ({"name": "stall", "seconds": 3, "endpoint": "transcriptions"},)),
    ("The connection breaks in mid-answer", ({"name": "cut"},)),
    ("... before it", ({"name": "cut", "after": "request", "times": 3},)),
    ("The answer is cut off by a filter", ({"name": "ended_early", "reason": "content_filter"},)),
    ("The stream ends in an error", ({"name": "error_in_stream"},)),
    ("The stream is not JSON", ({"name": "nonsense"},)),
    ("Silence instead of speech", ({"name": "wrong_speech"},)),
    ("No speech at all", ({"name": "wrong_speech", "sound": "nothing"},)),
    ("Nothing was understood", ({"name": "wrong_transcription"},)),
    ("Something else was understood", ({"name": "wrong_transcription", "text": "Save product nine."},)),
    ("A tool's arguments are not JSON", ({"name": "bad_arguments"},)),
    ("A tool is called twice with one id", ({"name": "repeated_call_id"},)),
    ("A tool is called with the id of an earlier call", ({"name": "repeated_call_id", "how": "earlier"},)),
    ("A tool that was not declared", ({"name": "unknown_tool"},)),
    ("No usage", ({"name": "usage"},)),
    ("Absurd usage", ({"name": "usage", "tokens": -1},)),
)
"""Situations that a bot has to live through, and what to order for each."""


def page() -> str:
    """Return the document."""
    return "\n".join(
        [
            _BEGINS,
            "| Of | Parameter | Meaning |\n| --- | --- | --- |",
            *shared_rows("all", Misbehaviour),
            *shared_rows("all", OpenAIOrder),
            *shared_rows("*requests*", OrderOfRequests),
            *shared_rows("*completions*, *calls*", OrderOfCompletions),
            "\n## Orders\n\n| Order | Parameters | What OpenAI does |\n| --- | --- | --- |",
            *(order_row(kind, [f"*{_scope(kind)}*"]) for kind in get_args(OpenAIMisbehaviour)),
            '\n## Situations\n\n| Situation | Orders, with `"target": "openai"` |\n| --- | --- |',
            *(f"| {situation} | {'<br>'.join(map(as_json, orders))} |" for situation, orders in SITUATIONS),
            "",
        ]
    )


def _scope(kind: type[OpenAIOrder]) -> str:
    if issubclass(kind, OrderOfCalls):
        return "calls"
    if issubclass(kind, OrderOfCompletions):
        return "completions"
    return "requests" if issubclass(kind, OrderOfRequests) else "all"


def main() -> None:
    """Write the document."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
