"""The texts of each reason: for the operator what happened and what to do, for the caller one sentence."""

from dataclasses import dataclass
from typing import Final

from podline.contract.reasons import Reason


@dataclass(frozen=True, slots=True)
class ReasonTexts:
    """What is said about a call that ended for a reason.

    Attributes:
        what_happened: For the operator or developer. A source closer to the bot may know more.
        advice: What they can do, naming the setting or command; empty if there is nothing to do.
        to_caller: May be shown or read to a caller: no internals, and what they can do.
    """

    what_happened: str
    advice: str
    to_caller: str


_FAILED: Final = "Something went wrong on our side; please call again."
_STOPPED_ANSWERING: Final = "The assistant stopped answering; please call again."
_INTERRUPTED: Final = "The call was interrupted on our side; please call again."
_NOT_SET_UP: Final = (
    "The assistant can't take calls because of a problem with its setup; "
    "please tell the people who run this service."
)

TEXTS: Final[dict[Reason, ReasonTexts]] = {
    Reason.CALLER_LEFT: ReasonTexts(
        "The caller left.", "", "You left the call, or your connection was lost; you can call again any time."
    ),
    Reason.COMPLETED: ReasonTexts(
        "The bot said goodbye and ended the call.",
        "",
        "The assistant has ended the call; you can call again any time.",
    ),
    Reason.STOPPED: ReasonTexts(
        "The session was stopped on request.", "", "The call was ended; you can call again any time."
    ),
    Reason.NO_CALLER: ReasonTexts(
        "The caller never joined.",
        "Check that the caller receives the room's address, then start another session.",
        "The call ended because you did not join it in time; please call again.",
    ),
    Reason.IDLE: ReasonTexts(
        "Both sides were silent for too long.",
        "",
        "The call ended because it was quiet for too long; please call again to continue.",
    ),
    Reason.MAX_DURATION: ReasonTexts(
        "The session reached its maximum duration.",
        "Start another session to continue.",
        "The call has reached its time limit; please call again to continue.",
    ),
    Reason.BUDGET_SPENT: ReasonTexts(
        "The session used up its budget.",
        "Start another session to continue.",
        "The call has used up its allowance; please call again to continue.",
    ),
    Reason.CONFIG_INVALID: ReasonTexts(
        "The bot's configuration is invalid.", "Correct the settings that its log names.", _NOT_SET_UP
    ),
    Reason.ROOM_REFUSED: ReasonTexts(
        "The room refused the bot.",
        "Check the room's address and the bot's token.",
        "The assistant could not join the call; please try again, and if that does not help, "
        "tell the people who run this service.",
    ),
    Reason.ROOM_LOST: ReasonTexts(
        "The bot lost its connection to the room.",
        "Start another session.",
        "The assistant lost its connection to the call; please call again.",
    ),
    Reason.MODEL_REFUSED: ReasonTexts(
        "The model refused the bot.", "Check GOOGLE_API_KEY and the model's name.", _NOT_SET_UP
    ),
    Reason.MODEL_UNREACHABLE: ReasonTexts(
        "The bot could not reach the model.",
        "Check the network between the bot and the model, and the model's status and quota.",
        "The assistant can't answer at the moment; please call again in a few minutes.",
    ),
    Reason.MODEL_LOST: ReasonTexts(
        "The bot lost its connection to the model, or got no audible answer from it.",
        "Start another session.",
        _STOPPED_ANSWERING,
    ),
    Reason.CRASHED: ReasonTexts(
        "The bot crashed with an unexpected error.", "Read its log for the details.", _FAILED
    ),
    Reason.LAUNCH_FAILED: ReasonTexts(
        "The bot could not be launched.",
        "Start the session again.",
        "The call could not be started; please call again in a moment.",
    ),
    Reason.UNSCHEDULABLE: ReasonTexts(
        "No node had room for the bot.",
        "Add nodes, or lower the bot's resource requests.",
        "All lines are busy; please call again in a few minutes.",
    ),
    Reason.IMAGE_PULL: ReasonTexts(
        "The bot's image could not be pulled.",
        "Check the image's name and the registry's credentials.",
        _NOT_SET_UP,
    ),
    Reason.START_TIMEOUT: ReasonTexts(
        "The bot did not join in time.",
        "Read its log to see how far it got.",
        "The assistant did not answer in time; please call again.",
    ),
    Reason.OUT_OF_MEMORY: ReasonTexts(
        "The bot ran out of memory.",
        "Raise its memory limit, or run fewer bots at the same time.",
        _FAILED,
    ),
    Reason.EVICTED: ReasonTexts("The bot was evicted from its node.", "Start another session.", _INTERRUPTED),
    Reason.NODE_LOST: ReasonTexts("The bot's node was lost.", "Start another session.", _INTERRUPTED),
    Reason.UNRESPONSIVE: ReasonTexts(
        "The bot became unresponsive and was stopped.",
        "Read its log to see what it was doing.",
        _STOPPED_ANSWERING,
    ),
    Reason.VANISHED: ReasonTexts(
        "The bot was terminated by someone else, or exited without a final report.",
        "Start another session.",
        _INTERRUPTED,
    ),
}
