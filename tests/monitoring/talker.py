"""A bot that holds a whole call in a second and tells of all there is to tell. Standard library only.

How it ends is the first word of its user's name: `leaves`, `refused` (by the model, before it spoke), or
`lost` (killed).
"""

import http.client
import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BEGAN = time.monotonic()
FATE, _, NUMBER = os.environ["USER_ID"].partition(".")
MODEL = "unheard-of" if int(NUMBER) % 10 == 0 else "gemini-live"
TOKENS = {
    "prompt_tokens": 100,
    "completion_tokens": 50,
    "input_audio_tokens": 60,
    "output_audio_tokens": 40,
    "cache_read_input_tokens": 20,
    "reasoning_tokens": 5,
}
EVENTS = [
    {"type": "tokens", "model": MODEL, "tokens": TOKENS},
    {"type": "first_byte", "model": MODEL, "seconds": 0.3},
    {"type": "transcribed", "model": "whisper", "seconds": 6, "service": "OpenAISTTService"},
    {"type": "synthesized", "model": "voice", "characters": 30, "service": "OpenAITTSService"},
    {"type": "response_latency", "seconds": 0.7},
    {"type": "turn"},
    {"type": "interruption"},
    {"type": "tool_call", "name": "search_products", "outcome": "ok", "seconds": 0.2},
    {"type": "tool_call", "name": "search_products", "outcome": "error", "seconds": 0.4},
    {"type": "talk", "side": "caller", "seconds": 1.5},
    {"type": "talk", "side": "bot", "seconds": 2.5},
    {"type": "silence", "after": "caller"},
    {"type": "silence", "after": "bot"},
    {"type": "turn_unanswered", "cause": "empty_turn"},
    {"type": "answer_requested"},
    {"type": "model_reconnect", "resumed": False},
    {"type": "model_reseeded"},
    {"type": "error", "kind": "store"},
]


def used(times: int) -> dict[str, Any]:
    models = {
        MODEL: {name: count * times for name, count in TOKENS.items()},
        "whisper": {"audio_seconds": 6.0 * times},
        "voice": {"characters": 30 * times},
    }
    calls = {"search_products": {"ok": times, "error": times}}
    return {
        "models": models if times else {},
        "turns": times,
        "turns_unanswered": times,
        "interruptions": times,
        "tool_calls": calls if times else {},
        "talk_seconds": {"caller": 1.5 * times, "bot": 2.5 * times},
    }


def timeline(*, spoke: bool) -> dict[str, float]:
    now = time.monotonic() - BEGAN
    moments = {"now": now, "process_up": 0.0}
    return moments | ({"joined": 0.01, "caller_joined": 0.02, "first_speech": 0.1} if spoke else {})


def report(seq: int) -> None:
    launch = os.environ["PODLINE_LAUNCH_ID"]
    connection = http.client.HTTPConnection(urlsplit(os.environ["PODLINE_CONTROLLER_URL"]).netloc, timeout=30)
    headers = {
        "Authorization": f"Bearer {os.environ['PODLINE_LAUNCH_TOKEN']}",
        "Content-Type": "application/json",
    }
    batch = {
        "seq": seq,
        "acked": seq - 1,
        "events": EVENTS,
        "totals": used(seq),
        "timeline": timeline(spoke=True),
    }
    connection.request("POST", f"/internal/launches/{launch}/reports", json.dumps(batch), headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()


def leave(reason: str, code: int, batches: int) -> None:
    word = {
        "reason": reason,
        "message": f"It ends as {reason}.",
        "totals": used(batches),
        "acked_totals": used(batches),
        "timeline": timeline(spoke=bool(batches)),
        "acked": batches,
    }
    Path(os.environ["PODLINE_LAST_WORD"]).write_text(json.dumps(word), encoding="utf-8")
    os._exit(code)


def main() -> None:
    if FATE == "refused":
        leave("model_refused", 67, 0)
    time.sleep(0.2)
    report(1)
    time.sleep(0.6)
    if FATE == "lost":
        os.kill(os.getpid(), signal.SIGKILL)
    report(2)
    report(2)
    leave("caller_left", 0, 2)


if __name__ == "__main__":
    main()
