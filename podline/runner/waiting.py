"""A bot's wait for its call: it reports that it is ready, and takes the call that the controller assigns."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import re
from collections.abc import Mapping, MutableMapping
from typing import Final

import aiohttp
from loguru import logger

from podline.contract import environment as env
from podline.contract.encoding import DecodeError
from podline.contract.messages import (
    Assignment,
    AssignmentMessage,
    InboxAnswer,
    StopMessage,
)
from podline.contract.reasons import TERMINATED
from podline.contract.text import printable
from podline.errors import ConfigInvalid
from podline.runner.channel.client import ControllerClient, Pace, Withdrawn
from podline.runner.channel.outbox import Outbox
from podline.runner.ending import CallEnding
from podline.runner.settings import Channel

_NAME: Final = re.compile(r"[A-Za-z_.-][A-Za-z0-9_.-]{0,252}")
"""Kubernetes' own rule for the names of variables."""
_NAME_SHOWN: Final = 60

_LAST_ANSWER_SECONDS: Final = 1.0
"""How long a bot that is stopped while it waits tries to say that it has understood."""

_NOT_NOW: Final = InboxAnswer(refusal="This bot waits for a call, and has no caller yet.")

_REFUSED: Final = CallEnding(TERMINATED, "The controller has no use for this bot, which waited for a call.")
_STOPPED: Final = CallEnding(TERMINATED, "The bot was stopped while it waited for a call.")
_UNANSWERED: Final = CallEnding(
    TERMINATED, "The controller gave the bot a call, and did not answer when the bot confirmed it."
)


async def wait_for_call(
    channel: Channel, outbox: Outbox, pace: Pace | None = None
) -> Assignment | CallEnding:
    """Report that the bot is ready, and wait. Return the assigned call, or why the process ends without one.

    Raises:
        ConfigInvalid: What was assigned can't be used.
    """
    async with aiohttp.ClientSession() as http:
        controller = ControllerClient(outbox, channel, http, pace)
        await controller.announce()
        logger.info("waiting for a call", seconds=round(outbox.timeline.now, 3))
        async for message in controller.messages():
            match message:
                case AssignmentMessage():
                    outcome = await _confirm(controller, message)
                    if outcome is not None:
                        return outcome
                case StopMessage():
                    await _answer(controller, message.id, InboxAnswer(body={}))
                    return _STOPPED
                case Withdrawn():
                    pass
                case _:
                    logger.warning("inbox message let go, the bot has no call", type=message.type)
                    await _answer(controller, message.id, _NOT_NOW)
    return _REFUSED


async def _confirm(
    controller: ControllerClient, message: AssignmentMessage
) -> Assignment | CallEnding | None:
    """Confirm an assignment. Return the call, or the process's end, or None to wait for another call."""
    try:
        assignment = await controller.confirm(message.id)
    except TimeoutError:
        # The controller may have counted the confirmation: no other call may be taken.
        logger.warning("confirmation not answered by the controller", session_id=message.session_id)
        return _UNANSWERED
    except DecodeError as error:
        raise _unusable(str(error)) from None
    if assignment is not None:
        return assignment
    logger.info("not wanted for the call any more", session_id=message.session_id)
    return _REFUSED if controller.is_refused else None


async def _answer(controller: ControllerClient, message_id: str, answer: InboxAnswer) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_ANSWER_SECONDS):
            await controller.answer(message_id, answer)


def take_variables(environment: MutableMapping[str, str], assigned: Mapping[str, str]) -> None:
    """Set the call's variables, as if the process had been started with them.

    Raises:
        ConfigInvalid: One of them can't be set. None was.
    """
    launch_id = environment.get(env.LAUNCH_ID)
    for name, value in assigned.items():
        if (problem := _problem(name, value)) is not None:
            raise _unusable(problem)
    if assigned.get(env.LAUNCH_ID, launch_id) != launch_id:
        raise _unusable(f"{env.LAUNCH_ID} is another bot's")
    environment.update({name: each for name, each in assigned.items() if name not in env.OF_A_PROCESS})
    for name in env.OF_A_START:
        environment.pop(name, None)


def _problem(name: str, value: str) -> str | None:
    """Return why a variable can't be set. Its value is never shown."""
    if not _NAME.fullmatch(name):
        return f"{printable(name, _NAME_SHOWN)!r} is no name of a variable"
    if name in env.OF_A_START:
        return f"{name} says how a process starts"
    try:
        is_usable = b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        is_usable = False
    return None if is_usable else f"{name} has characters that no variable can have"


def _unusable(problem: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"The call that the controller gave to this bot can't be begun: {problem}; use the runner of the "
        "controller's release."
    )


def settle_memory() -> None:
    """Collect what imports have left, and freeze what stays.

    A bot that waits has time for that, and no caller hears it. Afterwards no collection walks through what
    was imported, neither during the wait, which costs nothing then, nor in the call. Collection is on again,
    because a bot may wait for an hour.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
