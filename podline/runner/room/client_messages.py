"""Limits on what a caller's client sends besides speech, on every transport.

A message is rebuilt from the fields that bots use. Nothing else of it reaches Pipecat: its RTVI
processor would also accept tool results, audio, files and key presses from any client.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

from loguru import logger
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from podline.bucket import Bucket, Clock

MAX_CHARACTERS: Final = 2_000
"""In one typed text: a page of writing, far more than anybody types into a call."""
MAX_BYTES: Final = 32 * 1024
"""In one raw message: `MAX_CHARACTERS` take 24 KB if JSON escapes each of them."""
TEXTS_AT_ONCE: Final = 10
TEXTS_PER_SECOND: Final = 1.0
"""People type slower than this, but a page's buttons send a text for each click."""
MAX_TEXTS: Final = 200
"""In one call. Each text is a turn, and a turn costs the whole conversation so far."""
MAX_CHARACTERS_OF_CALL: Final = 40_000
"""In one call, because the model reads all of it again in each turn: about as long as an hour of speech."""
MESSAGES_AT_ONCE: Final = 50
MESSAGES_PER_SECOND: Final = 5.0
"""Clients send a few messages when they connect, and one whenever a microphone is muted."""
MAX_MESSAGES: Final = 2_000
"""In one call, accepted or refused."""
ANSWERS_AT_ONCE: Final = 5
ANSWERS_PER_SECOND: Final = 0.5
"""How often the page is sent a refusal: a flood of messages must not cause a flood of answers."""
MAX_REFUSALS: Final = 300
"""After this many refusals a client is abusive: nothing more that it sends is read or answered."""

PING: Final = "ping"
"""The beginning of the messages by which a client regularly shows that it is there."""
_MAX_PING_CHARACTERS: Final = 64

_UNSUPPORTED: Final = "This assistant does not accept messages of that type."

Cause = Literal["rate", "total", "size", "malformed", "unsupported"]


class Refused(Exception):  # noqa: N818 - named for what happened
    """A message is refused; the text says why and what to do, for the caller."""

    def __init__(self, cause: Cause, sentence: str) -> None:
        super().__init__(sentence)
        self.cause = cause


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Options(_Model):
    run_immediately: bool = True
    audio_response: bool = True


class _Text(_Model):
    content: str
    options: _Options | None = None


class _Rtvi(_Model):
    label: Literal["rtvi-ai"]
    id: Annotated[str, Field(max_length=128)]


class SendText(_Rtvi):
    """What the caller typed."""

    type: Literal["send-text"]
    data: _Text


class _Ready(_Model):
    version: Annotated[str, Field(max_length=32)] | None = None


class ClientReady(_Rtvi):
    """The client has connected, and speaks this version of RTVI."""

    type: Literal["client-ready"]
    data: _Ready | None = None


class _TrackStatus(_Model):
    type: Literal["trackStatus"]
    receiver_index: Annotated[int, Field(ge=0, le=15)]
    enabled: bool


class Signalling(_Model):
    """The caller has muted or unmuted a track.

    Pipecat's SmallWebRTC clients use this mark for messages to the connection rather than to the bot.
    """

    type: Literal["signalling"]
    message: _TrackStatus


class _Custom(_Model):
    t: Annotated[str, Field(max_length=128)]
    d: Any = None


class PageMessage(_Rtvi):
    """What this bot's own page sends to its `on_client_message`."""

    type: Literal["client-message"]
    data: _Custom


Message = SendText | ClientReady | PageMessage | Signalling

_MESSAGE: Final[TypeAdapter[Message]] = TypeAdapter(Annotated[Message, Field(discriminator="type")])


def read_message(text: str) -> Message:
    """Read a client's message.

    Raises:
        Refused: It is not a kind of message that this bot uses, or its text is too long.
    """
    try:
        message = _MESSAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if first["type"] == "union_tag_invalid" and isinstance(first["input"]["type"], str):
            raise Refused("unsupported", _UNSUPPORTED) from None
        raise Refused("malformed", "The assistant could not read a message from this page.") from None
    if isinstance(message, SendText) and len(message.data.content) > MAX_CHARACTERS:
        raise Refused("size", f"Your message is over {MAX_CHARACTERS:,} characters. Send a shorter one.")
    return message


class ClientMessages:
    """Accepts the messages of one call's client, within limits of size, rate and number.

    Attributes:
        bot_handles_its_own: Whether a `client-message` is taken: only a bot that handles them knows theirs.
    """

    def __init__(self, clock: Clock, answer: Callable[[str], Awaitable[None]]) -> None:
        """`answer` sends the page the reason for a refusal."""
        self._answer = answer
        self._messages = Bucket(MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, clock)
        self._texts = Bucket(TEXTS_AT_ONCE, TEXTS_PER_SECOND, clock)
        self._answers = Bucket(ANSWERS_AT_ONCE, ANSWERS_PER_SECOND, clock)
        self._count = self._text_count = self._character_count = 0
        self._refusals = 0
        self._unreported: Counter[Cause] = Counter()
        self._logged: set[Cause] = set()
        self._is_closed = False
        self.bot_handles_its_own = False

    async def take(self, raw: str | bytes) -> str | None:
        """Return the message in the form that Pipecat may see; None if it is refused."""
        if self._is_closed:
            return None
        if isinstance(raw, str) and len(raw) <= _MAX_PING_CHARACTERS and raw.startswith(PING):
            return raw
        try:
            return self._admitted(raw).model_dump_json()
        except Refused as refused:
            await self._refuse(refused)
            return None

    async def take_parsed(self, message: Any) -> Any | None:
        """Do the same with a message that the transport has already parsed."""
        try:
            text = json.dumps(message)
        except (TypeError, ValueError, RecursionError):
            text = ""
        taken = await self.take(text)
        return None if taken is None else json.loads(taken)

    def close(self) -> None:
        """Accept nothing from now on."""
        self._is_closed = True

    def drain(self) -> dict[Cause, int]:
        """Return how many messages were refused since the last time, by cause."""
        unreported, self._unreported = self._unreported, Counter()
        return dict(unreported)

    def _admitted(self, raw: str | bytes) -> Message:
        self._count += 1
        if self._count > MAX_MESSAGES or self._refusals >= MAX_REFUSALS:
            raise Refused(
                "total", "This page has sent as many messages as one call allows. Please speak instead."
            )
        if not self._messages.take():
            raise Refused("rate", "Messages arrive too fast. Wait a few seconds and try again.")
        if len(raw) > MAX_BYTES or (isinstance(raw, str) and len(raw.encode(errors="replace")) > MAX_BYTES):
            raise Refused("size", f"A message is larger than {MAX_BYTES // 1024} KB. Send a shorter one.")
        message = read_message(_decoded(raw))
        if isinstance(message, PageMessage) and not self.bot_handles_its_own:
            raise Refused("unsupported", _UNSUPPORTED)
        if isinstance(message, SendText):
            self._admit_text(message.data.content)
        return message

    def _admit_text(self, text: str) -> None:
        if self._text_count >= MAX_TEXTS or self._character_count + len(text) > MAX_CHARACTERS_OF_CALL:
            raise Refused("total", "You have typed as much as one call allows. Please speak instead.")
        if not self._texts.take():
            raise Refused("rate", "You type faster than the assistant can read. Wait a few seconds.")
        self._text_count += 1
        self._character_count += len(text)

    async def _refuse(self, refused: Refused) -> None:
        self._refusals += 1
        self._unreported[refused.cause] += 1
        if refused.cause not in self._logged:
            self._logged.add(refused.cause)
            logger.warning("client message refused", cause=refused.cause)
        if self._refusals <= MAX_REFUSALS and self._answers.take():
            await self._answer(str(refused))


def _decoded(raw: str | bytes) -> str:
    try:
        return raw if isinstance(raw, str) else raw.decode()
    except UnicodeDecodeError:
        raise Refused("malformed", "The assistant could not read a message from this page.") from None
