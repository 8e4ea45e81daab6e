# ruff: noqa: N818 - each is named for what happened; the base class says that it is an error
"""Errors about sessions and access to them: each has a status, a stable code, and a sentence for each reader.

Its own text is for the operator or developer and names what to do; `caller_message` is for the caller.

* ControllerError
  - Unauthorized       401
  - Forbidden          403
  - AgentNotFound      404
  - VersionNotFound    404
  - SecretSetNotFound  404
  - SessionNotFound    404
  - AgentDefinedByFile 409
  - SecretSetDefinedByFile 409
  - SessionConflict    409
  - OfferRefused       409
  - OfferSuperseded    409
  - LaunchEnded        409
  - SessionEnded       410
  - InvalidRequest     422
  - CapacityReached    429
  - UserLimitReached   429
  - RateLimited        429
  - RuntimeUnavailable 503
  - UnknownOutcome     503
  - NotClaimed         503
  - RoomsUnavailable   503
  - ModelUnavailable   503
  - AgentInvalid       503
  - AgentNotConfigured 503
  - BotUnavailable     503
  - Draining           503
  - ShuttingDown       503

Errors about HTTP itself are in `controller/web/errors.py`.
"""

from __future__ import annotations

from math import ceil
from typing import ClassVar, Final

from controller.core.limits import Limit, LimitName
from controller.core.session import Ending

OF_THE_APP: Final = (
    "Something is wrong with this app, so trying again will not help; please tell the people who run it."
)
_NO_CALLS_NOW: Final = "No calls can be started at the moment; please try again in a few minutes."
_NOT_SET_UP: Final = (
    "This assistant can't take calls because of a problem with its setup; "
    "please tell the people who run this service."
)


class ControllerError(Exception):
    """Base of all errors that are returned to a client.

    Attributes:
        status: the HTTP status.
        code: the stable name that programs may compare.
        title: what kind of thing went wrong, the same for each error of its code.
        caller_message: one sentence that may be shown or read to a caller, without internals.
        retry_after: seconds after which a retry may help; None if it won't.
        limit: the limit that is reached; None if it is not about one.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    caller_message: str
    retry_after: int | None = None
    limit: LimitName | None = None

    @property
    def detail(self) -> str:
        """One or two sentences for the operator or developer: what happened and what to do."""
        return str(self)


class InvalidRequest(ControllerError):
    """The request can't be carried out as it is."""

    status, code, title = 422, "invalid_request", "The request is not valid"
    caller_message = OF_THE_APP


class Unauthorized(ControllerError):
    """The key or token is missing or not valid."""

    status, code, title = 401, "unauthorized", "A valid key is required"
    caller_message = "You are not signed in, or your sign-in has expired; please sign in and call again."


class Forbidden(ControllerError):
    """The key is valid but doesn't allow this."""

    status, code, title = 403, "forbidden", "This is not allowed"
    caller_message = "This is not allowed here; please tell the people who run this service if it should be."


class AgentNotFound(ControllerError):
    """No agent has this name."""

    status, code, title = 404, "agent_not_found", "Agent not found"
    caller_message = "This assistant does not exist; please choose another one."

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no agent {name!r}. GET /v1/agents lists them; `agent` names one of them.")


class VersionNotFound(ControllerError):
    """The agent has no such version that can become active again."""

    status, code, title = 404, "version_not_found", "Version not found"
    caller_message = OF_THE_APP

    def __init__(self, name: str, version_id: str | None) -> None:
        which = "no earlier version" if version_id is None else f"no version {version_id!r}"
        super().__init__(
            f"The agent {name!r} has {which} that is kept. GET /v1/agents/{name} lists those that are; "
            "deploy the definition that you want instead."
        )

    @classmethod
    def without_files(cls, name: str, version_id: str) -> VersionNotFound:
        """An operator's ConfigMap made it, whose content is not kept."""
        error = cls(name, version_id)
        detail = (
            f"The agent {name!r} can't return to version {version_id!r}: it was not deployed through the "
            "API, so its files are not kept. Deploy the definition that you want instead."
        )
        error.args = (detail,)
        return error


class AgentDefinedByFile(ControllerError):
    """The agent is defined by a file, which has to be changed instead."""

    status, code, title = 409, "agent_defined_by_file", "The agent is defined by a file"
    caller_message = OF_THE_APP

    def __init__(self, name: str, defined_by: str) -> None:
        super().__init__(
            f"The agent {name!r} is defined by {defined_by}: change that instead, or choose another name."
        )


class SecretSetNotFound(ControllerError):
    """No secret set has this name, or no variable in it."""

    status, code, title = 404, "secret_set_not_found", "Secret set not found"
    caller_message = OF_THE_APP

    def __init__(self, name: str, key: str | None = None) -> None:
        super().__init__(
            f"There is no secret set {name!r}." if key is None else f"The set {name!r} has no {key!r}."
        )


class SecretSetDefinedByFile(ControllerError):
    """The secret set is a file, which has to be changed instead."""

    status, code, title = 409, "secret_set_defined_by_file", "The secret set is a file"
    caller_message = OF_THE_APP

    def __init__(self, name: str) -> None:
        super().__init__(
            f"On this machine the secret set {name!r} is the file secrets/{name}.env in PODLINE_AGENTS: "
            "change that instead."
        )


class SessionNotFound(ControllerError):
    """No session has this id, or it ended too long ago to be kept."""

    status, code, title = 404, "session_not_found", "Session not found"
    caller_message = "This call is over; please start another one."

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"There is no session {session_id!r}: it never started, or it ended too long ago to be kept."
        )


class SessionConflict(ControllerError):
    """Another session has this id, or another session's bot is in this room."""

    status, code, title = 409, "session_conflict", "Conflict with another session"
    caller_message = "This call is already running or was started differently; please start another one."

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"Session {session_id!r} was started with a different request. "
            "Repeat that request unchanged, or choose another session_id."
        )

    @classmethod
    def by_name(cls, session_id: str, job: str, namespace: str) -> SessionConflict:
        """A Job that is not ours has the session's name."""
        error = cls(session_id)
        detail = (
            f"The Job {job} in namespace {namespace} has the name of session {session_id!r} but belongs "
            "to something else. Choose another session_id, or delete the Job."
        )
        error.args = (detail,)
        return error

    @classmethod
    def by_room(cls, session_id: str | None) -> SessionConflict:
        """A bot is already in the room that the caller brought. Another agent's session is not named."""
        error = cls(session_id or "")
        whose = "Another agent's bot" if session_id is None else f"The bot of session {session_id!r}"
        detail = f"{whose} is already in this room. End that session first, or use another room."
        error.args = (detail,)
        return error


class OfferRefused(ControllerError):
    """The bot refused the offer; the detail is its reason."""

    status, code, title = 409, "offer_refused", "The bot refused the offer"
    caller_message = (
        "This call can't be joined, perhaps because it is open elsewhere; please start another one."
    )


class OfferSuperseded(ControllerError):
    """A later offer from the same caller replaced this one."""

    status, code, title = 409, "offer_superseded", "A later offer replaced this one"
    caller_message = "Another attempt to connect this call is under way; please wait for it."

    def __init__(self) -> None:
        super().__init__(
            "The caller of this session has since sent another offer, and only the latest is answered. "
            "Wait for that answer."
        )


class LaunchEnded(ControllerError):
    """The launch that a bot reports for has ended."""

    status, code, title = 409, "launch_ended", "This launch has ended"
    caller_message = "This call is over; please start another one."

    def __init__(self) -> None:
        super().__init__(
            "This launch has ended. Exit: the controller accepts no more reports and sends no more messages."
        )


class SessionEnded(ControllerError):
    """The session has ended, so there is no bot for the message."""

    status, code, title = 410, "session_ended", "The session has ended"
    caller_message = "This call is over; please start another one."

    @classmethod
    def by(cls, ending: Ending) -> SessionEnded:
        """Include the sentences that say why it ended."""
        error = cls(f"The session has ended. {ending.message}")
        error.caller_message = ending.caller_message
        return error


class CapacityReached(ControllerError):
    """One more session would exceed a limit, which `limit` names."""

    status, code, title, retry_after = 429, "capacity_reached", "A limit on sessions is reached", 10
    caller_message = "All lines are busy; please call again in a minute."

    def __init__(self, limit: Limit, agent: str) -> None:
        """`agent` is the one that was asked for."""
        self.limit, self.retry_after = limit.name, limit.wait_seconds
        super().__init__(_of_limit(limit, agent))


class UserLimitReached(ControllerError):
    """The user already has the maximum number of sessions."""

    status, code, title, retry_after = 429, "user_limit_reached", "The user's session limit is reached", 10
    caller_message = "You already have as many calls as you may have at once; please end one of them first."
    limit = LimitName.USER

    def __init__(self, limit: int, agent: str = "") -> None:
        """`agent` is the one whose own limit it is; empty if it is the installation's."""
        of_agent = f" of agent {agent!r}" if agent else ""
        super().__init__(f"This user already has {_sessions(limit)}{of_agent}. End one of them first.")

    @classmethod
    def by_address(cls, limit: int) -> UserLimitReached:
        """Anonymous callers share one limit per address."""
        error = cls(limit)
        error.limit = LimitName.ADDRESS
        error.caller_message = (
            "Your network already has as many calls as it may have at once; please end one of them first."
        )
        detail = (
            f"Anonymous callers from your address already have {_sessions(limit)}. End one of them first, "
            "or start with a key with scope 'start' or a signed identity. "
            "The limit is PODLINE_ANONYMOUS_SESSIONS_PER_ADDRESS."
        )
        error.args = (detail,)
        return error


class RateLimited(ControllerError):
    """The client sends too many requests."""

    status, code, title = 429, "rate_limited", "Too many requests"
    caller_message = "There were too many attempts in a short time; please wait a minute and try again."

    def __init__(self, wait_seconds: float) -> None:
        self.retry_after = ceil(wait_seconds)
        super().__init__(f"You have sent too many requests. Try again in {self.retry_after} seconds.")


class RuntimeUnavailable(ControllerError):
    """The runtime did not accept the launch."""

    status, code, title, retry_after = 503, "runtime_unavailable", "No bot could be launched", 5
    caller_message = _NO_CALLS_NOW


class UnknownOutcome(ControllerError):
    """The runtime did not answer in time, so the bot may or may not have been launched.

    A caller sees the code of `RuntimeUnavailable`, because the same retry helps. In code the two must not be
    confused: after this error there may be a bot, so the capacity stays reserved.
    """

    status, code, title, retry_after = 503, "runtime_unavailable", "No bot could be launched", 5
    caller_message = "Starting the call took too long; please try again."

    def __init__(self, why: str = "") -> None:
        sentences = (
            "The runtime did not confirm in time whether the bot was launched. "
            "Repeat the request with the same session_id to get that bot; otherwise it is stopped."
        )
        super().__init__(f"{sentences} {why}".rstrip())


class NotClaimed(ControllerError):
    """The warm bot certainly does not belong to the session: it is gone, or another session's.

    Internal: a start then takes another bot. Its code is that of `RuntimeUnavailable`, for the case that it
    reaches a caller all the same.
    """

    status, code, title, retry_after = 503, "runtime_unavailable", "No bot could be launched", 5
    caller_message = _NO_CALLS_NOW

    def __init__(self, why: str = "") -> None:
        super().__init__(f"This warm bot can't be claimed. {why}".rstrip())


class RoomsUnavailable(ControllerError):
    """The room provider did not create a room."""

    status, code, title, retry_after = 503, "rooms_unavailable", "No room could be created", 5
    caller_message = _NO_CALLS_NOW


class ModelUnavailable(ControllerError):
    """The model's provider did not issue credentials for the bot."""

    status, code, title, retry_after = 503, "model_unavailable", "No credentials for the model", 5
    caller_message = "The assistant can't answer at the moment; please call again in a few minutes."

    def __init__(self, sentence: str, retry_after: int | None = None, *, is_quota: bool = False) -> None:
        """`is_quota` says that the key is used too much: fewer sessions should share it for a while."""
        super().__init__(sentence)
        self.is_quota = is_quota
        if retry_after is not None:
            self.retry_after = retry_after


class AgentInvalid(ControllerError):
    """The agent has no valid definition."""

    status, code, title = 503, "agent_invalid", "The agent has no valid definition"
    caller_message = _NOT_SET_UP

    def __init__(self, name: str, *, is_starting: bool = False) -> None:
        """`is_starting` says that its first version is being started dry, and may soon be active."""
        if is_starting:
            self.retry_after = 5
            self.caller_message = _NO_CALLS_NOW
            super().__init__(
                f"The first version of the agent {name!r} is still being started. Try again in a few seconds."
            )
            return
        super().__init__(
            f"The definition of the agent {name!r} can't be used. GET /v1/agents says what is wrong with it."
        )


class AgentNotConfigured(ControllerError):
    """The agent's bots lack settings without which each of them would fail."""

    status, code, title = 503, "agent_not_configured", "The agent is not configured"
    caller_message = _NOT_SET_UP


class BotUnavailable(ControllerError):
    """The bot is running but did not answer in time."""

    status, code, title, retry_after = 503, "bot_unavailable", "The bot did not answer", 2
    caller_message = "The assistant did not answer in time; please call again."

    def __init__(self) -> None:
        super().__init__("The bot did not answer in time. Try again, or start another session.")


class Draining(ControllerError):
    """An operator has asked the controller to start no more sessions."""

    status, code, title, retry_after = 503, "draining", "The controller starts no sessions", 60
    caller_message = _NO_CALLS_NOW

    def __init__(self) -> None:
        super().__init__(
            "An operator has asked this controller to start no more sessions. Those that run go on. "
            "Try again later, or have the operator run `podline drain --off`."
        )


class ShuttingDown(ControllerError):
    """The controller is shutting down and launches no more bots."""

    status, code, title, retry_after = 503, "shutting_down", "The controller is shutting down", 5
    caller_message = "The service is restarting; please call again in a few seconds."

    def __init__(self) -> None:
        super().__init__("The controller is shutting down. Try again in a few seconds.")


def _sessions(number: int) -> str:
    return "1 session" if number == 1 else f"{number} sessions"


def _of_limit(limit: Limit, agent: str) -> str:
    """Say which limit is reached and what to do. Names of model keys are for operators only."""
    match limit.name:
        case LimitName.AGENT:
            return (
                f"All {limit.most} sessions that agent {agent!r} may have at once are running. Try again "
                "when one has ended, or raise max_agents in its definition."
            )
        case LimitName.MODEL_KEY if limit.is_lowered:
            return (
                f"A provider refused requests of agent {agent!r} because its key's quota was used up: only "
                f"{limit.most} sessions instead of {limit.full} may use the key for a while. Try again "
                f"in {limit.wait_seconds} seconds; the operator can have the quota raised."
            )
        case LimitName.MODEL_KEY:
            return (
                f"All {limit.most} sessions that may share the model key of agent {agent!r} are running. Try "
                "again when one has ended, or raise PODLINE_MODEL_KEY_SESSIONS."
            )
        case LimitName.ROOM_PROVIDER if limit.is_lowered:
            return (
                f"The room provider refused requests as too many, so it is sent {limit.most} a second "
                f"instead of {limit.full} for a while. Try again in {limit.wait_seconds} seconds."
            )
        case LimitName.ROOM_PROVIDER:
            return (
                f"More rooms are wanted than the provider's limit of {limit.full} requests a second allows. "
                f"Try again in {limit.wait_seconds} seconds."
            )
        case _:
            return (
                f"All {limit.most} session slots are in use. Try again when one is free, or raise "
                "PODLINE_CAPACITY."
            )
