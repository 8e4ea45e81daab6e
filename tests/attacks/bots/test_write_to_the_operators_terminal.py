"""A bot whose code is bad hides commands for a terminal in what an operator or a caller will read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.runtimes.kubernetes.exit_evidence import held_up
from testing.fakes.bots.bad_bot import serve_bad_bot, serve_bots_that_write
from tests.unit.controller.runtimes.kubernetes.shapes import pod, waiting

COMMANDS = [
    "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H",
    "\x1b]52;c;cm0gLXJm\x1b\\",
    "\x9b31m",
    "\x9d0;owned\x9c",
    "a\rb",
    "one\ntwo",
    "one\u2028two\u2029three\x85four",
    "\u202egnp.exe",
    "\u2066\u2067\u2068\u2069",
    "zero\u200bwidth\u200d\ufeff",
    "\x00\x07\x08\x7f",
    "\U000e0041\U000e0042",
]


def is_harmless(text: str) -> bool:
    return text.isprintable()


@pytest.mark.parametrize("command", COMMANDS[::4])
async def test_the_message_of_a_final_report_is_one_printable_line(tmp_path: Path, command: str) -> None:
    word = {
        "reason": "crashed",
        "message": f"before {command} after " + "x" * 600,
        "totals": {"models": {command: {"prompt_tokens": 3}}, "tool_calls": {command: {"ok": 1, "error": 0}}},
        "acked_totals": {},
        "timeline": {"now": 1},
    }
    async with serve_bots_that_write(tmp_path, json.dumps(word).encode()) as controller:
        session = await controller.start()
        record = await controller.until_over(session["id"])
        events = await controller.client.get("/v1/sessions")
        offer = await controller.offer(session, {"sdp": "v=0", "type": "offer"})
        metrics = (await controller.client.get("/metrics")).text

    assert record["message"].startswith("before ")
    assert len(record["message"]) <= 500
    assert is_harmless(record["message"])
    assert all(map(is_harmless, [*record["usage"]["models"], *record["usage"]["tool_calls"]]))
    assert record["usage"]["models"]["other"]["prompt_tokens"] == 3
    assert all(map(is_harmless, (events.text, offer.text)))
    assert is_harmless(metrics.replace("\n", ""))


async def test_names_in_reports_are_plain(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        for number, command in enumerate(COMMANDS, start=1):
            answer = await bot.report(
                {"type": "tokens", "model": command, "tokens": {"prompt_tokens": 3}},
                {"type": "tool_call", "name": command, "outcome": "ok", "seconds": 0},
                {"type": "error", "kind": command},
                {"type": command},
                totals={
                    "models": {command: {"prompt_tokens": 3 * number}},
                    "tool_calls": {command: {"ok": number, "error": 0}},
                },
            )
            usage = (await bot.record())["usage"]

            assert answer.status_code == 200
            assert list(usage["models"]) == list(usage["tool_calls"]) == ["other"]
            assert usage["models"]["other"]["prompt_tokens"] == 3 * number
        assert is_harmless((await bot.metrics()).replace("\n", ""))


async def test_a_caller_reads_a_refusal_as_one_short_printable_line(tmp_path: Path) -> None:
    async with serve_bad_bot(tmp_path) as bot:
        for command in COMMANDS:
            detail = await bot.refuse_an_offer(f"No. {command} " + "x" * 50_000)

            assert detail.startswith("No.")
            assert len(detail) <= 300
            assert is_harmless(detail)


async def test_the_log_of_a_bot_shows_commands_as_escapes(tmp_path: Path) -> None:
    text = "\n".join(command for command in COMMANDS if "\n" not in command) + "\tplain: äöü 日本\n"
    async with serve_bots_that_write(tmp_path, text.encode() + b"\xff\xfe") as controller:
        session = await controller.start()
        await controller.until_over(session["id"])
        shown = (await controller.client.get(f"/v1/sessions/{session['id']}/logs")).text

    assert is_harmless(shown.replace("\n", "").replace("\t", ""))
    assert "\tplain: äöü 日本\n" in shown
    assert "\\x1b]0;owned\\x07" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_what_a_registry_says_of_an_image_is_one_printable_line(command: str) -> None:
    """A kubelet hands its words on as they came."""
    ending = held_up(pod("Pending", waiting("ErrImagePull", f"denied: {command} pull again")))

    assert ending is not None
    assert is_harmless(ending.message)
    assert "pull again" in ending.message
