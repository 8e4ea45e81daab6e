"""Hostile and half-hostile inputs of each kind, drawn from one random generator. Pure."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, Final

WELL_FORMED: Final = 0.62
"""Of all inputs; the rest has a field of another type, or bytes that are no message at all."""
_WRONG_FIELD: Final = 0.75
"""Of the rest."""
_MOST_NEW_VALUE_DEPTH: Final = 3

_STRANGE: Final = (
    "\x00",
    "\x1b[2J\x1b]0;owned\x07",
    "a\r\nSet-Cookie: x=1",
    "\u202egnp.exe",
    "\u200b" * 9,
    "<script>alert(1)</script>",
    "{{7*7}}${7*7}",
    "../../etc/passwd",
    "%2e%2e%2f",
    "~" * 3,
    "é" * 600,
    "\U0001f600" * 40,
    "' OR 1=1 --",
    "x" * 3000,
)
_NUMBERS: Final = (0, 1, -1, 2**31, 2**53, 2**63, 10**30, -(10**30), 0.5, -0.0, 1e308, 5e-324)
_SCRAPS: Final = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"\\ud800"',
    b"\xff\xfe",
    b'{"seq": NaN}',
    b'{"a":1e999}',
    b"[" * 4000,
    b'{"body":' * 2000,
    b" " * 9000,
    b"\x00" * 64,
)


def word(rng: Random, most: int = 24) -> str:
    """A short name, or now and then a strange text."""
    if rng.random() < 0.1:
        return rng.choice(_STRANGE)
    return "".join(rng.choices(string.ascii_letters + string.digits + "._-", k=rng.randint(1, most)))


def value(rng: Random, depth: int = _MOST_NEW_VALUE_DEPTH) -> Any:
    """Anything that JSON can say."""
    choice = rng.randrange(8 if depth else 6)
    match choice:
        case 0:
            return None
        case 1:
            return rng.random() < 0.5
        case 2 | 3:
            return rng.choice(_NUMBERS)
        case 4 | 5:
            return word(rng)
        case 6:
            return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
        case _:
            return {word(rng): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def with_wrong_field(rng: Random, document: dict[str, Any]) -> dict[str, Any]:
    """The document with one value, somewhere inside it, replaced, removed or added."""
    changed = deepcopy(document)
    inside: Any = changed
    while isinstance(inside, dict) and inside and rng.random() < 0.6:
        deeper = inside[rng.choice(list(inside))]
        if not isinstance(deeper, dict):
            break
        inside = deeper
    key = rng.choice(list(inside)) if inside and rng.random() < 0.8 else word(rng)
    if rng.random() < 0.2:
        inside.pop(key, None)
    else:
        inside[key] = value(rng)
    return changed


def spoilt(rng: Random, text: bytes) -> bytes:
    """Bytes that were a message once, or never were."""
    if rng.random() < 0.4 or not text:
        return rng.choice(_SCRAPS)
    spoilt_text = bytearray(text)
    for _ in range(rng.randint(1, 6)):
        spoilt_text[rng.randrange(len(spoilt_text))] = rng.randrange(256)
    return bytes(spoilt_text[: rng.randint(1, len(spoilt_text))])


def message(rng: Random, well_formed: Callable[[Random], dict[str, Any]]) -> bytes:
    """A JSON message of a kind: mostly as it should be, else wrong in a field, else no JSON."""
    document = well_formed(rng)
    if rng.random() > WELL_FORMED:
        if rng.random() > _WRONG_FIELD:
            return spoilt(rng, _encoded(document))
        document = with_wrong_field(rng, document)
    return _encoded(document)


def _encoded(document: object) -> bytes:
    # Lone surrogates and infinities are sent as they are: a client may send any bytes.
    return json.dumps(document).encode()


def start(rng: Random) -> dict[str, Any]:
    """The body of POST /v1/sessions."""
    body: dict[str, Any] = {"user_id": _name(rng)}
    if rng.random() < 0.5:
        body["session_id"] = _name(rng)
    if rng.random() < 0.3:
        body["max_duration_seconds"] = rng.randint(1, 1800)
    if rng.random() < 0.4:
        body["metadata"] = {word(rng): value(rng) for _ in range(rng.randrange(4))}
    return body


def _name(rng: Random) -> str:
    return "".join(rng.choices(string.ascii_letters + string.digits + "._-", k=rng.randint(3, 40)))


def sdp(rng: Random) -> str:
    """A session description with audio, and a few candidates."""
    candidates = "".join(
        f"a=candidate:{n} 1 udp {rng.randrange(2**31)} {_address(rng)} {rng.randrange(1, 65536)} typ host\r\n"
        for n in range(rng.randrange(6))
    )
    return (
        f"v=0\r\no=- {rng.randrange(2**60)} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        "a=group:BUNDLE 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n"
        f"a=ice-ufrag:{_name(rng)[:8]}\r\na=ice-pwd:{'p' * 24}\r\na=mid:0\r\na=sendrecv\r\n"
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=setup:actpass\r\na=rtcp-mux\r\n"
        f"a=rtpmap:111 opus/48000/2\r\n{candidates}"
    )


def _address(rng: Random) -> str:
    return rng.choice(
        ("192.0.2.7", "10.0.0.1", "169.254.169.254", "2001:db8::1", "a.local", "internal.example", "0x7f.1")
    )


def offer(rng: Random) -> dict[str, Any]:
    """The body of an offer."""
    body: dict[str, Any] = {"sdp": sdp(rng), "type": "offer"}
    if rng.random() < 0.3:
        body |= {"pc_id": word(rng), "restart_pc": rng.random() < 0.5}
    if rng.random() < 0.3:
        body["request_data"] = value(rng)
    return body


def usage(rng: Random) -> dict[str, Any]:
    """What a bot says it has used."""
    return {
        "models": {
            _name(rng): {
                "prompt_tokens": rng.randrange(5000),
                "completion_tokens": rng.randrange(500),
                "input_audio_tokens": rng.randrange(400),
            }
            for _ in range(rng.randrange(3))
        },
        "turns": rng.randrange(50),
        "turns_unanswered": rng.randrange(9),
        "interruptions": rng.randrange(9),
        "tool_calls": {_name(rng): {"ok": rng.randrange(9), "error": rng.randrange(3)}},
        "talk_seconds": {"caller": rng.random() * 60, "bot": rng.random() * 60},
    }


def event(rng: Random) -> dict[str, Any]:
    """One event of a report."""
    seconds = rng.random() * 3
    return rng.choice(
        (
            {"type": "turn"},
            {"type": "interruption"},
            {"type": "talk", "side": "bot", "seconds": seconds},
            {"type": "tokens", "model": _name(rng), "tokens": {"prompt_tokens": rng.choice((3, 2**53))}},
            {"type": "tool_call", "name": word(rng), "outcome": "ok", "seconds": seconds},
            {"type": "first_byte", "model": _name(rng), "seconds": seconds},
            {"type": "error", "kind": word(rng)},
            {"type": word(rng), "more": value(rng)},
        )
    )


def report(rng: Random) -> dict[str, Any]:
    """One batch; its number is any, so most are repeated or late."""
    seq = rng.randint(1, 2**40)
    return {
        "seq": seq,
        "acked": seq - 1,
        "events": [event(rng) for _ in range(rng.randrange(8))],
        "totals": usage(rng),
        "timeline": {"now": rng.random() * 100, "process_up": 0.0, "joined": rng.random()},
    }


def final_report(rng: Random) -> dict[str, Any]:
    """What a bot leaves behind."""
    reasons = ("caller_left", "completed", "crashed", "terminated", "model_lost", "node_lost", word(rng))
    return {
        "reason": rng.choice(reasons),
        "message": word(rng),
        "totals": usage(rng),
        "acked_totals": usage(rng),
        "timeline": {"now": rng.random() * 100},
        "acked": rng.randrange(2**40),
        "is_final": rng.random() < 0.8,
    }


def page_message(rng: Random) -> dict[str, Any]:
    """What a page sends over the data channel: RTVI, of a known or an unknown type."""
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("send-text", {"content": word(rng, 200), "options": {"run_immediately": True}}),
        ("client-ready", {"version": "1.2.0", "about": {"library": _name(rng)}}),
        ("client-message", {"t": word(rng), "d": value(rng)}),
        ("append-to-context", {"role": "system", "content": word(rng), "run_immediately": True}),
        ("llm-function-call-result", {"function_name": word(rng), "tool_call_id": "1", "arguments": {}}),
        ("raw-audio", {"base64Audio": "AAAA", "sampleRate": 16000, "numChannels": 1}),
        ("disconnect-bot", {}),
        (word(rng), {"x": value(rng)}),
    )
    kind, data = rng.choice(kinds)
    return {"id": _name(rng)[:8], "label": "rtvi-ai", "type": kind, "data": data}


_METHODS: Final = ("GET", "GET", "GET", "POST", "DELETE", "PATCH", "PUT", "OPTIONS", "HEAD", "TRACE")
_PATHS: Final = (
    "/v1/sessions",
    "/v1/sessions/{}",
    "/v1/sessions/{}/logs",
    "/sessions/{}/api/offer",
    "/stop-agent/{}",
    "/agents",
    "/health",
    "/livez",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/internal/launches/{}/inbox/x",
    "/{}",
)
_HEADERS: Final = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Cookie",
    "Forwarded",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    "Range",
    "Sec-Fetch-Site",
    "Traceparent",
    "Tracestate",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
)
_VALUES: Final = (
    "*/*",
    "application/json",
    "application/openmetrics-text; version=1.0.0",
    "Bearer abc",
    "Bearer " + "a.b" * 200,
    "Basic dTpw",
    "null",
    "cross-site",
    "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    "203.0.113.9, 10.0.0.1",
    "bytes=0-1,2-3",
    "\xff\xfe",
    "a=b; " * 60,
    "",
)


def head(rng: Random, key: str) -> tuple[bytes, bool]:
    """The head of a request as a browser, a proxy or an attacker sends it, and whether it is whole."""
    path = rng.choice(_PATHS).format("".join(rng.choices(string.ascii_letters + "%~.-_0123456789", k=9)))
    if rng.random() < 0.3:
        path += "?" + "&".join(f"{_name(rng)}={_name(rng)}" for _ in range(rng.randrange(4)))
    lines = [f"{rng.choice(_METHODS)} {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Length: 0"]
    if rng.random() < 0.5:
        lines.append(f"Authorization: Bearer {key}")
    lines += [f"{rng.choice(_HEADERS)}: {rng.choice(_VALUES)}" for _ in range(rng.randrange(8))]
    if rng.random() < 0.1:
        lines += [f"X-{n}: {'y' * rng.randrange(600)}" for n in range(rng.randrange(140))]
    text = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    return (text, True) if rng.random() < 0.8 else (spoilt(rng, text) + b"\r\n\r\n", False)
