"""What `podline.call()` returns to a bot that this runner runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from podline.runner.attendance import Attendance
from podline.runner.settings import GoodbyeCue, RunnerSettings


class HeldCall:
    """The call that the bot holds. Implements `podline.current_call.CurrentCall`.

    Attributes:
        goodbye: How the bot says it; None for the default.
    """

    def __init__(
        self,
        settings: RunnerSettings,
        attendance: Attendance,
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        self._attendance = attendance
        self._send = send
        self.session_id = settings.session_id
        self.user_id = settings.user_id
        self.agent = settings.agent
        self.metadata = settings.metadata
        self.body = settings.body
        self.mute_seconds = settings.mute_seconds
        self.goodbye = settings.goodbye

    def end(self, reason: str | None = None) -> None:
        self._attendance.complete(reason)

    def set_goodbye(self, request: str) -> None:
        self.goodbye = GoodbyeCue(request=request)

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._send(message)
