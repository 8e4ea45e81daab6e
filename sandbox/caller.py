"""A scripted caller that does what the page does, speaks aloud, and logs what it hears and receives.

`python -m sandbox.caller http://127.0.0.1:7860 --say "find running shoes" --say "save product two"`
makes a call and prints how it went. Tests and the benchmark use `calling`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
import numpy as np

from sandbox.caller_audio import RATE, Ear, Stretch, trimmed
from sandbox.caller_line import CallerLine
from sandbox.caller_signalling import CallFailedError, RoomAddress, start_session
from sandbox.voice import Voice

if TYPE_CHECKING:
    from sandbox.caller_livekit import LiveKitLine

_RTVI_LABEL: Final = "rtvi-ai"
_RTVI_VERSION: Final = "2.2.0"
PATIENCE_SECONDS: Final = 20.0
"""How long a caller waits for anything by default."""
_SILENT_SECONDS: Final = 3.0
"""How long nothing, not even silence, may come from a bot before a watch asks whether the call is over."""
_ASK_AGAIN_SECONDS: Final = 0.5

T = TypeVar("T")
NewLine = Callable[
    [np.random.Generator, Ear, Callable[[str], None], Callable[[], None]], "CallerLine | LiveKitLine"
]


@dataclass(frozen=True)
class Message:
    """An RTVI message and when it came, by `time.monotonic`."""

    at: float
    type: str
    data: dict[str, Any]

    def is_server_message(self, kind: str) -> bool:
        """Whether the bot itself sent it, as its own message of this type."""
        return self.type == "server-message" and self.data.get("type") == kind

    @property
    def is_bot_text(self) -> bool:
        """Whether it carries words of the bot's that no other message will carry.

        Text that a voice has yet to speak is sent again while it is spoken; other text is sent once.
        """
        last = "completed" if self.data.get("will_be_spoken") else "new"
        return self.type == "bot-output" and self.data.get("spoken_status") == last


class Caller:
    """One side of a call. Made by `calling`; all moments are values of `time.monotonic`."""

    def __init__(self, voice: Voice, random: np.random.Generator, new_line: NewLine = CallerLine) -> None:
        self.messages: list[Message] = []
        self.spoken: list[tuple[float, float, str]] = []
        """What this caller said or wrote: when it began, when it ended, and the words."""
        self.bot_left_at: float | None = None
        """When the bot left the call; None while it is there."""
        self._voice = voice
        self._random = random
        self._make_line = new_line
        self._changed = asyncio.Event()
        self.ear = Ear(self._changed.set)
        self._line = self._new_line()
        self._turn_began = 0.0
        self._turn_ended = 0.0

    @property
    def line(self) -> CallerLine | LiveKitLine:
        """The present connection, for what only one kind of connection can do."""
        return self._line

    @property
    def connected_at(self) -> float | None:
        """When the call, or the last connection of it, was connected."""
        return self._line.connected_at

    @property
    def bot_left(self) -> bool:
        return self.bot_left_at is not None

    async def join(self, http: aiohttp.ClientSession, room: RoomAddress) -> None:
        """Connect and wait until the bot says that it is ready.

        Raises:
            CallFailedError: The offer was refused, or the bot did not get ready in time.
        """
        self._http, self._room = http, room
        await self._line.open(http, room, self._get_ready)
        await self.message(lambda message: message.type == "bot-ready")

    async def lose_connection(self) -> None:
        """Fall silent without a goodbye, as when the network dies or the tab is killed."""
        await self._line.cut()

    async def come_back(self) -> None:
        """Connect again after the connection was lost, as Pipecat's client does.

        Raises:
            CallFailedError: The offer was refused, or the bot did not get ready in time.
        """
        lost, self._line = self._line, self._new_line()
        began = time.monotonic()
        await self._line.open(self._http, self._room, self._get_ready, in_place_of=lost.pc_id)
        await self.message(lambda message: message.type == "bot-ready", since=began)

    def mute(self) -> None:
        """Send digital silence from now on, as a microphone does that is muted."""
        self._line.mouth.is_muted = True

    async def say(self, words: str) -> float:
        """Speak, and return the moment at which the speech ended."""
        speech = trimmed(await asyncio.to_thread(self._voice.say, words, RATE))
        self._turn_began = time.monotonic()
        self._turn_ended = await self._line.mouth.say(speech)
        self.spoken.append((self._turn_began, self._turn_ended, words))
        return self._turn_ended

    def write(self, words: str) -> None:
        """Say it in writing, as typed into the page."""
        self._turn_began = self._turn_ended = time.monotonic()
        self.spoken.append((self._turn_began, self._turn_ended, words))
        options = {"run_immediately": True, "audio_response": True}
        self._send("send-text", {"content": words, "options": options})

    async def hears_bot(self, within: float = PATIENCE_SECONDS, since: float | None = None) -> float:
        """Wait for the bot's voice and return the moment it began.

        What is waited for is the first sound since a given moment, or since this caller last stopped speaking
        or wrote: an answer, or at the beginning the greeting. Let the bot finish (`bot_quiet`) before that,
        or its last words are taken for the answer.
        """
        start = self._turn_ended if since is None else since
        return await self._until(lambda: self.ear.first_sound(start), "the bot's voice", within)

    async def hears_bot_for(self, seconds: float, since: float, within: float = PATIENCE_SECONDS) -> float:
        """Wait until the bot has been heard for so long since then, and return that moment."""

        def find() -> float | None:
            return time.monotonic() if self.ear.sound_heard(since) >= seconds else None

        return await self._until(find, f"{seconds:g} s of the bot's voice", within)

    async def bot_quiet(self, seconds: float = 1.0, within: float = 2 * PATIENCE_SECONDS) -> None:
        """Wait until nothing has been heard of the bot for so many seconds."""
        await self._until(
            lambda: self.ear.quiet_for(time.monotonic()) >= seconds or None,
            "the end of what the bot says",
            within,
        )

    async def message(
        self, wanted: Callable[[Message], bool], within: float = PATIENCE_SECONDS, since: float | None = None
    ) -> Message:
        """Wait for a message that came since this caller last began to speak, or since a given moment."""
        start = self._turn_began if since is None else since

        def find() -> Message | None:
            return next(
                (message for message in self.messages if message.at >= start and wanted(message)), None
            )

        return await self._until(find, "a message", within)

    async def bot_says(self, words: str, within: float = PATIENCE_SECONDS) -> None:
        """Wait until the bot has said these words since this caller last spoke, by its transcript."""

        def find() -> bool | None:
            since = [message for message in self.messages if message.at >= self._turn_began]
            return any(words in said for _, said in _bot_turns(since)) or None

        await self._until(find, f'"{words}"', within)

    async def bot_leaves(self, within: float = PATIENCE_SECONDS) -> None:
        """Wait until the bot has left the call."""
        await self._until(lambda: self.bot_left or None, "the bot to leave", within)

    async def watch_for_silence(self, seconds: float, is_over: Callable[[], Awaitable[bool]]) -> None:
        """Note that the bot has left once nothing at all comes from it and the call is over.

        A bot that is killed says no goodbye, and a WebRTC connection takes half a minute to notice.

        Args:
            seconds: How long no frame may have come, not even of silence, before `is_over` is asked.
            is_over: Returns whether the call is over, or nobody is there to ask.
        """
        began = time.monotonic()
        while not self.bot_left:
            missing = time.monotonic() - (self.ear.last_frame_at or began)
            if missing >= seconds and await is_over():
                self._note_bot_left()
            else:
                await asyncio.sleep(max(seconds - missing, _ASK_AGAIN_SECONDS))

    async def close(self) -> None:
        """Hang up. Repeating it does nothing."""
        await self._line.close()

    def bot_turns(self) -> list[str]:
        """Return what the bot said so far by its transcript, turn by turn."""
        return [words for _, words in _bot_turns(self.messages)]

    def account(self) -> list[str]:
        """Return the call so far, one line for each thing said, heard or received, in order."""
        return [f"{at:7.2f} s  {line}" for at, line in self.entries()]

    def entries(self) -> list[tuple[float, str]]:
        """Return the call so far: for each thing, the seconds since the call was connected, and a line."""
        began = 0.0 if self.connected_at is None else self.connected_at
        lines = [(at, f"caller says     {words}{self._answered(ended)}") for at, ended, words in self.spoken]
        lines += [(sound.began, _heard(sound)) for sound in self.ear.stretches]
        lines += [(at, f"bot's words     {words}") for at, words in _bot_turns(self.messages)]
        lines += [(message.at, line) for message in self.messages if (line := _described(message))]
        return [(at - began, line) for at, line in sorted(lines)]

    def _answered(self, ended: float) -> str:
        heard = self.ear.first_sound(ended)
        return "" if heard is None else f" (answered after {heard - ended:.2f} s)"

    async def _until(self, found: Callable[[], T | None], what: str, within: float) -> T:
        try:
            async with asyncio.timeout(within):
                while (result := found()) is None:
                    if self.bot_left:
                        raise CallFailedError(f"the bot left, and {what} never came", self.account())
                    self._changed.clear()
                    await self._changed.wait()
                return result
        except TimeoutError:
            raise CallFailedError(f"waited {within:.0f} s in vain for {what}", self.account()) from None

    def _new_line(self) -> CallerLine | LiveKitLine:
        return self._make_line(self._random, self.ear, self._receive, self._note_bot_left)

    def _get_ready(self) -> None:
        about = {"library": "podline-caller", "platform": "python"}
        self._send("client-ready", {"version": _RTVI_VERSION, "about": about})

    def _send(self, kind: str, data: dict[str, Any]) -> None:
        message = {"label": _RTVI_LABEL, "type": kind, "id": f"{kind}-{time.monotonic_ns()}", "data": data}
        self._line.send(json.dumps(message))

    def _receive(self, text: str) -> None:
        message = json.loads(text)
        if message.get("type") == "signalling" and message["message"]["type"] == "peerLeft":
            self._note_bot_left()
        elif message.get("label") == _RTVI_LABEL:
            self.messages.append(Message(time.monotonic(), message["type"], message.get("data") or {}))
        self._changed.set()

    def _note_bot_left(self) -> None:
        if self.bot_left_at is None:
            self.bot_left_at = time.monotonic()
        self._changed.set()


@asynccontextmanager
async def calling(
    base_url: str,
    voice: Voice,
    *,
    room: RoomAddress | None = None,
    user_id: str | None = None,
    livekit_url: str | None = None,
    key: str | None = None,
    agent: str | None = None,
) -> AsyncIterator[tuple[Caller, str | None]]:
    """Hold a call for the length of the block; yield the caller and the session's id.

    With a room, join its session; the id is None then, because whoever made the room knows it. `livekit_url`
    replaces the URL that callers get, where LiveKit's server has another one here. With one of the
    controller's keys as `key`, the session is the user's; without, it may be anonymous. `agent` names the bot
    to call, if it isn't the controller's default.
    """
    async with aiohttp.ClientSession() as http:
        session_id = None
        if room is None:
            session_id, room = await start_session(http, base_url, user_id, key, agent)
        if room.provider == "livekit" and livekit_url is not None:
            room = replace(room, url=livekit_url)
        async with joined(http, room, voice) as caller:
            yield caller, session_id


@asynccontextmanager
async def joined(
    http: aiohttp.ClientSession,
    room: RoomAddress,
    voice: Voice,
    is_over: Callable[[], Awaitable[bool]] | None = None,
) -> AsyncIterator[Caller]:
    """Hold a call in a room for the length of the block.

    Args:
        http: Carries the offer.
        room: Where the bot is.
        voice: The caller's.
        is_over: Returns whether the call is over, for a caller who shouldn't wait for a bot that was killed.
    """
    caller = Caller(voice, np.random.default_rng(0), _line_of(room.provider))
    watching = None
    if is_over is not None:
        watching = asyncio.create_task(caller.watch_for_silence(_SILENT_SECONDS, is_over))
    try:
        await caller.join(http, room)
        yield caller
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        await caller.close()


def _line_of(provider: str) -> NewLine:
    if provider == "livekit":
        # Imported here because LiveKit's native client is needed for its own rooms only.
        from sandbox.caller_livekit import LiveKitLine  # noqa: PLC0415

        return LiveKitLine
    return CallerLine


def _bot_turns(messages: list[Message]) -> list[tuple[float, str]]:
    """Return what the bot said, turn by turn.

    Sentences come without the spaces between them, other pieces with.
    """
    turns: list[tuple[float, str]] = []
    in_turn = False
    for message in messages:
        if message.is_bot_text:
            at, words = turns.pop() if in_turn else (message.at, "")
            space = " " if words and message.data.get("aggregated_by") == "sentence" else ""
            turns.append((at, words + space + message.data["text"]))
            in_turn = True
        elif message.type in ("bot-stopped-speaking", "bot-interrupted"):
            in_turn = False
    return [(at, " ".join(words.split())) for at, words in turns]


def _heard(sound: Stretch) -> str:
    unheard = "" if sound.is_audible else ", not audible"
    return f"bot heard       for {sound.seconds:.1f} s{unheard}"


def _described(message: Message) -> str | None:
    match message.type:
        case "user-input" if message.data.get("final"):
            return f"caller's words  {message.data['text'].strip()}"
        case "server-message":
            details = {
                name: value for name, value in message.data.items() if name not in ("type", "products")
            }
            return f"{message.data.get('type'):15} {json.dumps(details)}"
        case "error":
            return f"error           {message.data.get('error')}"
        case _:
            return None


if __name__ == "__main__":
    from sandbox.caller_command import main

    main()
