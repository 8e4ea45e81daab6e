"""Limits on a client's messages with a clock that a test moves, and the answers to the page."""

from dataclasses import dataclass, field

from podline.runner.room.client_messages import ClientMessages


@dataclass
class StillClock:
    """A monotonic clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class FakePage:
    """The answers that the caller's page got."""

    received: list[str] = field(default_factory=list)

    async def show(self, sentence: str) -> None:
        self.received.append(sentence)


def typed(text: str) -> dict[str, object]:
    """What a client sends for a typed text."""
    options = {"run_immediately": True, "audio_response": True}
    return {"label": "rtvi-ai", "type": "send-text", "id": "1", "data": {"content": text, "options": options}}


def unhurried_messages() -> ClientMessages:
    """Limits for a test that is about something else."""
    return ClientMessages(StillClock(), FakePage().show)
