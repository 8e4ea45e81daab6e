"""A bot that does not do what the runner expects of it."""

from podline.contract.reasons import Reason
from podline.errors import ModelRefused
from podline.runner.attendance import Attendance, CallLimits
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.session import Bot, BotSession, hold_call
from podline.runner.settings import read_settings

ENVIRONMENT = {
    "SESSION_ID": "call-1",
    "USER_ID": "ana",
    "PODLINE_CONTROLLER_URL": "http://controller",
    "PODLINE_LAUNCH_ID": "launch-1",
    "PODLINE_LAUNCH_TOKEN": "launch-secret",
}


async def ending_of(bot: Bot) -> CallEnding:
    outbox = Outbox(lambda: 1.0)
    attendance = Attendance(outbox, CallLimits(no_caller=60, return_grace=10, max_duration=1800))
    return await hold_call(bot, read_settings(ENVIRONMENT), outbox, attendance)


async def test_a_bot_that_returns_without_holding_the_call_has_crashed() -> None:
    async def bot(_session: BotSession) -> None: ...

    ending = await ending_of(bot)

    assert ending.reason is Reason.CRASHED
    assert "must await session.run(...)" in ending.message


async def test_a_bot_whose_model_refuses_it_before_the_call_ends_for_that_reason() -> None:
    async def bot(session: BotSession) -> None:
        session.fail(ModelRefused("Gemini refused the key."))

    ending = await ending_of(bot)

    assert (ending.reason, ending.message) == (Reason.MODEL_REFUSED, "Gemini refused the key.")
