"""What a bot learns of its caller's coming and going: they come once, and go once."""

from __future__ import annotations

from podline.runner.room.client_events import ClientEvents


class Bot:
    """A bot's handlers, which keep what they were called for."""

    def __init__(self) -> None:
        self.events = ClientEvents()
        self.learned: list[str] = []

    async def happens(self, event: str, *, is_caller: bool = True) -> None:
        async def deliver() -> None:
            self.learned.append(event)

        await self.events.pass_on(event, deliver, is_caller=is_caller)


async def test_a_caller_who_is_lost_and_returns_is_neither_missed_nor_greeted_again() -> None:
    bot = Bot()
    for event in ("on_first_participant_joined", "on_client_connected"):
        await bot.happens(event)
    for event in ("on_participant_left", "on_client_disconnected"):
        await bot.happens(event)
    for event in ("on_first_participant_joined", "on_client_connected"):
        await bot.happens(event)
    await bot.events.deliver_held()

    assert bot.learned == ["on_first_participant_joined", "on_client_connected"]


async def test_a_caller_who_is_gone_for_good_is_missed_once_that_is_certain() -> None:
    bot = Bot()
    await bot.happens("on_client_connected")
    await bot.happens("on_participant_left")
    await bot.happens("on_client_disconnected")
    assert bot.learned == ["on_client_connected"]

    await bot.events.deliver_held()
    await bot.events.deliver_held()

    assert bot.learned == ["on_client_connected", "on_participant_left", "on_client_disconnected"]


async def test_a_guest_who_goes_does_not_end_the_call() -> None:
    bot = Bot()
    await bot.happens("on_client_connected")
    for event in ("on_participant_joined", "on_client_connected", "on_participant_left"):
        await bot.happens(event, is_caller=False)
    await bot.happens("on_client_disconnected", is_caller=False)
    await bot.events.deliver_held()

    assert bot.learned == ["on_client_connected", "on_participant_joined", "on_participant_left"]


async def test_all_other_events_are_the_bots() -> None:
    bot = Bot()
    for _ in range(2):
        await bot.happens("on_app_message")

    assert bot.learned == ["on_app_message", "on_app_message"]
