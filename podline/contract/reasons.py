"""The closed list of reasons why a session ended, the phase that each leads to, and bots' exit codes."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """The phase of a session. `ENDED` and `FAILED` are final."""

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
        """Return the phase of a session with this reason: ended as intended, or failed."""
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

STARTED_DRY: Final = "The bot can take calls."
"""What a bot reports that was started without a call, and misses no variable."""

TERMINATED: Final = "terminated"
"""The reason in a bot's final report after SIGTERM. Only the controller knows who sent it and why."""

RUNNING: Final = "running"
"""The reason in a final report that a bot leaves in case it is killed, as long as its end is not decided."""

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
"""The exit code for each reason that a bot can give itself."""

REASONS_BY_EXIT_CODE: Final[dict[int, Reason]] = {
    code: reason for reason, code in EXIT_CODES.items() if code != 0
}
"""The reason that an exit code alone implies. Zero implies none, because seven reasons share it."""
