"""Daily's native client as Pipecat uses it, and the room on its other side.

Like the real one it calls back from a thread of its own, one event at a time, and a failed join is reported
in the order seen of daily-python 0.36: `on_error`, `leaving`, `left`, the completion, `on_error` again.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipecat.transports.daily import transport as pipecat_daily

if TYPE_CHECKING:
    import pytest

BOT_ID = "bot"


def participant(
    name: str, *, local: bool = False, can_send: Any = True, microphone: str = "playable"
) -> dict[str, Any]:
    """What Daily reports of one participant; `name` is also the id."""
    permissions = {"hasPresence": True, "canSend": can_send, "canAdmin": False}
    return {
        "id": name,
        "info": {"isLocal": local, "isOwner": False, "userName": name, "permissions": permissions},
        "media": {"microphone": {"state": microphone}, "camera": {"state": "off"}},
    }


@dataclass(frozen=True)
class AudioData:
    """20 ms of audio, as a renderer is given it."""

    audio_frames: bytes
    sample_rate: int = 16000
    num_channels: int = 1


class NativeRoom:
    """The side of Daily that tests hold: who is there, who is let in, what the network does.

    Attributes:
        refusal: Daily's words for not letting the bot in.
        answers: Whether a join is answered at all.
        can_send: What the bot's token lets it send.
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.answers = True
        self.can_send: Any = True
        self.present: list[str] = []
        self.client: CallClient | None = None
        self.bot_has_left = threading.Event()
        self.messages: list[Any] = []

    def notify(self, event: str, *arguments: Any) -> None:
        """Have the bot's client emit an event."""
        assert self.client is not None
        self.client.emit(event, *arguments)

    def enter(self, name: str) -> None:
        self.present.append(name)
        self.notify("on_participant_joined", participant(name))

    def leave(self, name: str, reason: str = "leftCall", *, microphone: str = "playable") -> None:
        self.present.remove(name)
        self.notify("on_participant_left", participant(name, microphone=microphone), reason)

    def speak(self, name: str, audio: bytes) -> None:
        """Pass a participant's audio to its renderers."""
        assert self.client is not None
        if render := self.client.renderers.get(name):
            self.client.post(lambda: render(name, AudioData(audio), "microphone"))

    def network(self, connection: str, event: str) -> None:
        self.notify("on_network_connection_status_updated", {"connection": connection, "event": event})

    def end(self, words: str) -> None:
        """End the call for the bot: ejected, the token or the room expired, the room deleted."""
        self.notify("on_error", words)
        self.notify("on_call_state_updated", "leaving")
        self.notify("on_call_state_updated", "left")


class CallClient:
    """`daily.CallClient`, as far as Pipecat calls it."""

    def __init__(self, room: NativeRoom, event_handler: Any) -> None:
        self._room = room
        self._handler = event_handler
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="daily-native", daemon=True)
        self._thread.start()
        self.renderers: dict[str, Callable[[str, AudioData, str], None]] = {}
        room.client = self

    def post(self, work: Callable[[], None]) -> None:
        self._work.put(work)

    def emit(self, event: str, *arguments: Any) -> None:
        # Looked up when it happens, as the real one does: Pipecat overrides only some.
        self.post(lambda: getattr(self._handler, event)(*arguments))

    def join(
        self,
        _meeting_url: str,
        _meeting_token: str | None,
        completion: Callable[..., None],
        client_settings: Mapping[str, Any],
    ) -> None:
        assert client_settings["inputs"]["microphone"]["isEnabled"]
        self.emit("on_call_state_updated", "joining")
        if not self._room.answers:
            return
        if (words := self._room.refusal) is not None:
            self.emit("on_error", words)
            self.emit("on_call_state_updated", "leaving")
            self.emit("on_call_state_updated", "left")
            self.post(lambda: completion(None, f"Connection(Api({words!r}))"))
            self.emit("on_error", f"Error handling join: Connection(Api({words!r}))")
            return
        bot = participant(BOT_ID, local=True, can_send=self._room.can_send)
        data = {"participants": {"local": bot}, "meetingSession": {"id": "meeting"}}
        self.emit("on_call_state_updated", "joined")
        for name in self._room.present:
            self.emit("on_participant_joined", participant(name))
        self.post(lambda: completion(data, None))

    def leave(self, completion: Callable[..., None]) -> None:
        self.emit("on_call_state_updated", "leaving")
        self.emit("on_call_state_updated", "left")
        self.post(lambda: completion(None))
        self._room.bot_has_left.set()

    def release(self) -> None:
        self._work.put(None)
        self._thread.join()

    def set_user_name(self, _user_name: str) -> None: ...

    def update_subscription_profiles(self, _profile_settings: Mapping[str, Any]) -> None: ...

    def update_subscriptions(self, completion: Callable[..., None], **_settings: Any) -> None:
        self.post(lambda: completion(None))

    def set_audio_renderer(
        self, participant_id: str, callback: Callable[[str, AudioData, str], None], **_settings: Any
    ) -> None:
        self.renderers[participant_id] = callback

    def send_app_message(
        self, message: Any, _participant_id: str | None, completion: Callable[..., None]
    ) -> None:
        self._room.messages.append(message)
        self.post(lambda: completion(None))

    def _run(self) -> None:
        while work := self._work.get():
            work()


class CustomAudioSource:
    """`daily.CustomAudioSource`: takes the bot's audio."""

    def __init__(self, *_settings: Any) -> None: ...

    def write_frames(self, frames: bytes, completion: Callable[[int], None]) -> None:
        completion(len(frames) // 2)


class CustomAudioTrack:
    """`daily.CustomAudioTrack`."""

    id = "track"

    def __init__(self, _source: CustomAudioSource) -> None: ...


class Daily:
    """`daily.Daily`: the native library as a whole."""

    @staticmethod
    def init() -> None: ...


def stand_ins(room: NativeRoom) -> dict[str, Any]:
    """What to put in place of the native client's classes in Pipecat's module, by name."""
    return {
        "Daily": Daily,
        "CallClient": lambda event_handler: CallClient(room, event_handler),
        "CustomAudioSource": CustomAudioSource,
        "CustomAudioTrack": CustomAudioTrack,
    }


def install(monkeypatch: pytest.MonkeyPatch) -> NativeRoom:
    """A room that Pipecat's own Daily classes join, through this client instead of the native one."""
    room = NativeRoom()
    for name, stand_in in stand_ins(room).items():
        monkeypatch.setattr(pipecat_daily, name, stand_in)
    return room
