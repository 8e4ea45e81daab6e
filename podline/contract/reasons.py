"""The closed list of reasons why a session ended, the phase each leads to, and a bot's exit codes."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """Where a session stands. `ENDED` and `FAILED` absorb."""

    STARTING = "starting"
    LIVE = "live"
    STOPPING = "stopping"
    ENDED = "ended"
    FAILED = "failed"

    @property
    def is_end(self) -> bool:
        return self in (Phase.ENDED, Phase.FAILED)


class Reason(StrEnum):
    """Why a session ended."""

    CALLER_LEFT = "caller_left"
    COMPLETED = "completed"
    STOPPED = "stopped"
    NO_CALLER = "no_caller"
    IDLE = "idle"
    MAX_DURATION = "max_duration"
    BUDGET_SPENT = "budget_spent"

    CONFIG_INVALID = "config_invalid"
    ROOM_REFUSED = "room_refused"
    ROOM_LOST = "room_lost"
    MODEL_REFUSED = "model_refused"
    MODEL_UNREACHABLE = "model_unreachable"
    MODEL_LOST = "model_lost"
    CRASHED = "crashed"
    LAUNCH_FAILED = "launch_failed"
    UNSCHEDULABLE = "unschedulable"
    IMAGE_PULL = "image_pull"
    START_TIMEOUT = "start_timeout"
    OUT_OF_MEMORY = "out_of_memory"
    EVICTED = "evicted"
    NODE_LOST = "node_lost"
    UNRESPONSIVE = "unresponsive"
    VANISHED = "vanished"

    @property
    def phase(self) -> Phase:
        """The phase a session with this reason is in: ended as wished, or failed."""
        return Phase.ENDED if self in _AS_WISHED else Phase.FAILED


_AS_WISHED: Final = frozenset(
    {
        Reason.CALLER_LEFT,
        Reason.COMPLETED,
        Reason.STOPPED,
        Reason.NO_CALLER,
        Reason.IDLE,
        Reason.MAX_DURATION,
        Reason.BUDGET_SPENT,
    }
)

TERMINATED: Final = "terminated"
"""A bot's final report after SIGTERM. Only the controller knows who asked for it and why."""

EXIT_CODES: Final[dict[Reason, int]] = {
    **dict.fromkeys(_AS_WISHED, 0),
    Reason.CRASHED: 1,
    Reason.CONFIG_INVALID: 64,
    Reason.ROOM_REFUSED: 65,
    Reason.ROOM_LOST: 66,
    Reason.MODEL_REFUSED: 67,
    Reason.MODEL_UNREACHABLE: 68,
    Reason.MODEL_LOST: 69,
    Reason.OUT_OF_MEMORY: 137,
}
"""What a bot exits with, for each reason it can give itself."""

REASONS_BY_EXIT_CODE: Final[dict[int, Reason]] = {
    code: reason for reason, code in EXIT_CODES.items() if code != 0
}
"""What an exit code alone tells. Zero tells nothing: seven reasons share it."""
