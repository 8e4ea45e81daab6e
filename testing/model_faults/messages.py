"""Situations in which the model's messages are not those of the protocol, or too large."""

from __future__ import annotations

from typing import Final

from testing.model_faults.situations import Situation, saved_once, spoken, typed, wrong

MESSAGES: Final = [
    Situation(
        "The model sends unreadable messages",
        (wrong("nonsense", after="audio"),),
        spoken,
        connections=1,
    ),
    Situation(
        "The model sends unknown messages and fields",
        (wrong("unknown_messages", turns=1),),
        spoken,
        connections=1,
    ),
    Situation(
        "The model sends a message of 3 MB",
        (wrong("huge_message", after="turn_start", bytes=3 * 2**20),),
        saved_once,
    ),
    Situation(
        "The model sends a message of 40 MB",
        (wrong("huge_message", after="turn_start", bytes=40 * 2**20),),
        spoken,
        connections=1,
    ),
    Situation(
        "The model's counts of tokens are words",
        (wrong("wrong_usage", tokens="many", turns=1),),
        typed,
        connections=1,
    ),
    Situation(
        "The model's transcriptions are 100 kB long",
        (wrong("long_transcriptions", bytes=100_000, turns=1),),
        spoken,
    ),
]
