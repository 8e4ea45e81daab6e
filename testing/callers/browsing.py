"""Pages in a real browser, whose microphone may be a recording, and what its caller hears."""

from __future__ import annotations

import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from playwright.async_api import Page, async_playwright

from sandbox.voice import Voice
from testing.callers.browser import FLAGS, find_chromium
from testing.leaving_out import leave_out

SCRIPT: Final = (("find running shoes under one hundred dollars", 17), ("save product two", 8))
"""What is said, and the seconds left for the answer."""

HEARD: Final = """async () => {
    let energy = 0;
    for (const connection of window.connections)
        for (const stat of (await connection.getStats()).values())
            if (stat.type === "inbound-rtp" && stat.kind === "audio") energy += stat.totalAudioEnergy ?? 0;
    return energy;
}"""

_REMEMBER_CONNECTIONS: Final = """
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...given) { super(...given); window.connections.push(this); }
    };
"""
_RATE: Final = 48_000
_NOISE: Final = 30
_LEAD_SECONDS: Final = 10
"""The recording starts with the click, not with the call: this long a bot has to come and greet."""


def chromium_here() -> Path:
    """Return where Chromium is. Where there is none, the test is left out."""
    found = find_chromium()
    if found is None:
        leave_out("no Chromium on this machine: scripts/test says how to get one")
    return found


def record(voice: Voice, path: Path) -> Path:
    """Write what the browser's microphone hears: a quiet room, and the script spoken in it."""
    parts: list[np.ndarray[Any, Any]] = [np.zeros(_LEAD_SECONDS * _RATE)]
    for sentence, answer_seconds in SCRIPT:
        parts += [voice.say(sentence, _RATE), np.zeros(answer_seconds * _RATE)]
    sound = np.concatenate(parts)
    sound = sound + np.random.default_rng(0).normal(0, _NOISE, sound.size)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(sound.clip(-32_768, 32_767).astype(np.int16).tobytes())
    return path


def speaking(recording: Path) -> str:
    """The flag that makes the recording the browser's microphone."""
    return f"--use-file-for-fake-audio-capture={recording}%noloop"


@asynccontextmanager
async def opened(
    url: str, chromium: Path, *flags: str, microphone: bool = True, partners: Sequence[str] = ()
) -> AsyncIterator[Page]:
    """The page in a fresh browser. It throws no error, and asks only its own server and its partners."""
    known = (url, *partners)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        context = await browser.new_context(permissions=["microphone"] if microphone else [])
        await context.add_init_script(_REMEMBER_CONNECTIONS)
        page = await context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: faults.append(request.url) if not request.url.startswith(known) else None,
        )
        try:
            await page.goto(url)
            yield page
        except BaseException:
            print(await page.inner_text("body"), *faults, sep="\n")  # noqa: T201
            raise
        finally:
            await browser.close()
        assert faults == []
