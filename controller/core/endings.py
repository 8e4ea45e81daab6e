"""From what is known of a bot's end to its one reason and sentence. Pure."""

from __future__ import annotations

import signal
from typing import Final

from controller.core.runtime import Exit
from controller.core.session import Ending
from podline.contract.messages import FinalReport
from podline.contract.reasons import EXIT_CODES, REASONS_BY_EXIT_CODE, TERMINATED, Reason
from podline.contract.text import printable

SENTENCES: Final[dict[Reason, str]] = {
    Reason.CALLER_LEFT: "The caller left.",
    Reason.COMPLETED: "The bot said goodbye.",
    Reason.STOPPED: "The session was stopped on request.",
    Reason.NO_CALLER: "Nobody joined in time. Check that the caller gets the room, and start again.",
    Reason.IDLE: "Both sides were silent for too long.",
    Reason.MAX_DURATION: "The session reached its maximum duration. Start another one to go on.",
    Reason.BUDGET_SPENT: "The session used up its budget. Start another one to go on.",
    Reason.CONFIG_INVALID: "The bot's configuration is not valid. Its log names what to correct.",
    Reason.ROOM_REFUSED: "The room did not let the bot in. Check the room's address and the bot's token.",
    Reason.ROOM_LOST: "The bot lost the room. Start another session.",
    Reason.MODEL_REFUSED: "The model refused the bot. Check GOOGLE_API_KEY, its quota, and the model's name.",
    Reason.MODEL_UNREACHABLE: "The bot could not reach the model. Check the network between the two.",
    Reason.MODEL_LOST: "The connection to the model was lost for good. Start another session.",
    Reason.CRASHED: "The bot failed with an error that is not foreseen. Its log holds the details.",
    Reason.LAUNCH_FAILED: "The bot could not be launched. Start the session again.",
    Reason.UNSCHEDULABLE: "No node had room for the bot. Add nodes, or lower what a bot asks for.",
    Reason.IMAGE_PULL: "The bot's image could not be pulled. Check its name and the registry's credentials.",
    Reason.START_TIMEOUT: "The bot did not join in time. Its log holds what it was doing.",
    Reason.OUT_OF_MEMORY: "The bot needed more memory than there was for it. Raise its limit, or run fewer.",
    Reason.EVICTED: "The bot's node gave it up. Start another session.",
    Reason.NODE_LOST: "The bot's node was lost. Start another session.",
    Reason.UNRESPONSIVE: "The bot fell silent and was ended. Its log holds what it was doing.",
    Reason.VANISHED: "The bot was ended by somebody else, or left without a word. Start another session.",
}
"""What a person reads when nobody who was closer to it has said it better."""

_CONCLUDED: Final = frozenset({Reason.START_TIMEOUT, Reason.UNRESPONSIVE})

_ENDED_FROM_OUTSIDE: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
_MAX_MESSAGE_CHARACTERS: Final = 500


def ending_for(reason: Reason) -> Ending:
    return Ending(reason=reason, message=SENTENCES[reason])


def decide_ending(intent: Ending | None, exit_: Exit) -> Ending:
    """Name the end: our own intent first, then the place's verdict, the bot's word, and its exit.

    An intent that was only concluded from silence gives way to what the place knows of its cause.

    Args:
        intent: why we asked the bot to leave, None when we did not.
        exit_: what the runtime has seen.
    """
    known = exit_.cause or exit_.held_up
    if intent is not None:
        return known if known is not None and intent.reason in _CONCLUDED else intent
    return (
        known
        or (_from_final_report(exit_.final_report) if exit_.final_report else None)
        or exit_.otherwise
        or ending_for(_from_exit(exit_))
    )


def gives_a_reason(word: FinalReport | None) -> bool:
    """Whether the bot had an end of its own, before anybody asked it to go."""
    return word is not None and _from_final_report(word) is not None


def _from_final_report(word: FinalReport) -> Ending | None:
    """What the bot says of its end; nothing where it only knows that somebody asked it to go."""
    if word.reason == TERMINATED:
        return None
    # A bot can't know that it was evicted or has vanished: only what has an exit code is its to say.
    reason = next((reason for reason in EXIT_CODES if reason == word.reason), None)
    if reason is None:
        return None
    return Ending(
        reason=reason, message=printable(word.message, _MAX_MESSAGE_CHARACTERS) or SENTENCES[reason]
    )


def _from_exit(exit_: Exit) -> Reason:
    if exit_.final_report is not None and exit_.final_report.reason == TERMINATED:
        return Reason.VANISHED
    if exit_.signal is not None:
        return Reason.VANISHED if exit_.signal in _ENDED_FROM_OUTSIDE else Reason.CRASHED
    if not exit_.exit_code:
        return Reason.VANISHED
    return REASONS_BY_EXIT_CODE.get(exit_.exit_code, Reason.CRASHED)
