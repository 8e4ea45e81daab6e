"""Sessions as the examples show them: one call at each stage of its life."""

from __future__ import annotations

from typing import Any, Final

from controller.core.endings import ending_for
from podline.contract.reasons import Reason

SESSION_ID: Final = "cart-7f3a"
_URL: Final = f"http://127.0.0.1:7860/sessions/{SESSION_ID}/api/offer"
_NOT_YET: Final = dict.fromkeys(
    ("launched", "scheduled", "process_up", "joined", "caller_joined", "first_speech", "ended")
)
_ACCEPTED: Final = "2026-11-30T09:15:02.418000Z"
_TIMELINE_LIVE: Final = {
    "accepted": _ACCEPTED,
    "launched": "2026-11-30T09:15:02.431000Z",
    "scheduled": "2026-11-30T09:15:02.431000Z",
    "process_up": "2026-11-30T09:15:02.905000Z",
    "joined": "2026-11-30T09:15:03.620000Z",
    "caller_joined": "2026-11-30T09:15:04.107000Z",
    "first_speech": "2026-11-30T09:15:04.893000Z",
    "ended": None,
}
_MODEL: Final = {
    "prompt_tokens": 2140,
    "completion_tokens": 612,
    "input_audio_tokens": 820,
    "output_audio_tokens": 540,
    "cache_read_input_tokens": 1024,
    "cache_read_input_audio_tokens": 0,
    "reasoning_tokens": 36,
    "audio_seconds": 0.0,
    "characters": 0,
}
_USAGE_NONE: Final = {
    "models": {},
    "services": {},
    "turns": 0,
    "interruptions": 0,
    "tool_calls": {},
    "talk_seconds": {"caller": 0.0, "bot": 0.0},
    "partial": False,
}
_USAGE: Final = {
    "models": {"gemini-live-2.5-flash": _MODEL},
    "services": {"GeminiLiveLLMService": {"models": {"gemini-live-2.5-flash": _MODEL}}},
    "turns": 4,
    "interruptions": 1,
    "tool_calls": {"search_products": {"ok": 2, "error": 0}, "save_product": {"ok": 1, "error": 0}},
    "talk_seconds": {"caller": 11.4, "bot": 26.9},
    "partial": False,
}


def _end(reason: Reason) -> dict[str, Any]:
    ending = ending_for(reason)
    return {
        "phase": reason.phase.value,
        "reason": reason.value,
        "message": ending.message,
        "caller_message": ending.caller_message,
    }


STARTING: Final[dict[str, Any]] = {
    "id": SESSION_ID,
    "user_id": "ana",
    "agent": "shopping",
    "agent_version": "1-5c0f3d9a",
    "phase": "starting",
    "cold_start": True,
    "reason": None,
    "message": None,
    "caller_message": None,
    "room": {"provider": "webrtc", "url": _URL, "token": None},
    "timeline": {"accepted": _ACCEPTED, **_NOT_YET},
    "usage": _USAGE_NONE,
    "turns_unanswered": 0,
    "cost": None,
    "persona": None,
    "max_duration_seconds": 1800,
    "budget": {"tokens": None, "cost": None},
    "created_at": _ACCEPTED,
    "metadata": {"cart": "7f3a"},
    "diagnostics": None,
}
STARTED: Final = STARTING | {
    "room": {
        "provider": "webrtc",
        "url": _URL,
        "token": "TOKEN-OF-THE-CALLER",
        "ice_servers": [
            {"urls": "stun:stun.example.com"},
            {
                "urls": "turns:turn.example.com",
                "username": "1796031902:cart-7f3a",
                "credential": "PASSWORD-FOR-THIS-CALL",
            },
        ],
    },
}
LIVE: Final = STARTING | {"phase": "live", "timeline": _TIMELINE_LIVE, "usage": _USAGE}
STOPPING: Final = LIVE | {"phase": "stopping"}
ENDED: Final = (
    LIVE
    | _end(Reason.CALLER_LEFT)
    | {
        "timeline": _TIMELINE_LIVE | {"ended": "2026-11-30T09:16:11.250000Z"},
        "cost": {
            "currency": "USD",
            "amount": 0.00931,
            "models": {"gemini-live-2.5-flash": 0.00931},
            "services": {"GeminiLiveLLMService": 0.00931},
            "unpriced_models": [],
        },
    }
)
FAILED: Final = (
    STARTING
    | _end(Reason.MODEL_REFUSED)
    | {
        "timeline": _TIMELINE_LIVE
        | {"caller_joined": None, "first_speech": None, "ended": "2026-11-30T09:15:05.034000Z"},
        "usage": _USAGE_NONE | {"partial": True},
        "turns_unanswered": 1,
        "persona": "concise",
        "budget": {"tokens": 50_000, "cost": 0.25},
        "diagnostics": {
            "events": ["BackoffLimitExceeded: Job has reached the specified backoff limit"],
            "log": ["ERROR podline.runner: the model refused the bot", "ended: model_refused"],
        },
    }
)
