"""Why a session with the model could not be had or was lost, in words that help."""

import asyncio

import pytest
from google.genai.errors import APIError
from pipecat.utils.errors import ErrorCategory
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from podline.contract.messages import QUOTA_KINDS
from podline.contract.reasons import Reason
from podline.gemini.failures import failure_of


def closed(code: int, reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(rcvd=Close(code, reason), sent=None)


def closed_by_us(code: int, reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(rcvd=None, sent=Close(code, reason), rcvd_then_sent=None)


def answered(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers()))


def as_the_sdk_raises(closing: ConnectionClosedError) -> APIError:
    """Return the SDK's error: it calls everything 1006 that the server did not close."""
    try:
        try:
            raise closing
        except ConnectionClosedError:
            raise APIError(1006, "Abnormal closure.", None)  # noqa: B904 - like the SDK
    except APIError as error:
        return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (closed(1007, "API key not valid. Please pass a valid API key."), Reason.MODEL_REFUSED),
        (closed(1008, "models/x is not found"), Reason.MODEL_REFUSED),
        (closed(1003, "unsupported"), Reason.MODEL_REFUSED),
        (APIError(1008, {"error": {"message": "no"}}), Reason.MODEL_REFUSED),
        (APIError(403, {"error": {"message": "no"}}), Reason.MODEL_REFUSED),
        (answered(403), Reason.MODEL_REFUSED),
        (closed(1011, "You exceeded your current quota"), Reason.MODEL_UNREACHABLE),
        (closed(1011, "Internal error encountered."), Reason.MODEL_UNREACHABLE),
        (closed(1013, "Try again later"), Reason.MODEL_UNREACHABLE),
        (answered(429), Reason.MODEL_UNREACHABLE),
        (answered(502), Reason.MODEL_UNREACHABLE),
        (answered(503), Reason.MODEL_UNREACHABLE),
        (ConnectionRefusedError(111, "Connect call failed"), Reason.MODEL_UNREACHABLE),
        (TimeoutError("timed out during opening handshake"), Reason.MODEL_UNREACHABLE),
        (ConnectionClosedError(rcvd=None, sent=None), Reason.MODEL_UNREACHABLE),
        (ValueError("Failed to parse response: b'what the caller said'"), Reason.MODEL_UNREACHABLE),
    ],
)
def test_a_call_that_never_had_the_model_says_whether_it_was_refused(
    error: Exception, reason: Reason
) -> None:
    assert failure_of(error).before_the_call().reason == reason


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (closed(1011, "You exceeded your current quota, please check your plan"), "quota"),
        (closed(1008, "RESOURCE_EXHAUSTED"), "quota"),
        (answered(429), "quota"),
        (answered(503), "overloaded"),
        (closed(1011, "Internal error encountered."), "overloaded"),
        (closed(1011, "The service is currently overloaded."), "overloaded"),
    ],
)
def test_what_may_pass_is_tried_again_and_named(error: Exception, word: str) -> None:
    failure = failure_of(error)

    assert failure.may_pass
    assert word in failure.before_the_call().message
    assert word in failure.during_the_call().message


def test_only_a_used_up_quota_has_the_category_that_the_controller_acts_on() -> None:
    assert failure_of(answered(429)).category is ErrorCategory.QUOTA
    assert failure_of(closed(1011, "You exceeded your current quota")).category is ErrorCategory.QUOTA
    assert failure_of(answered(503)).category is None
    assert failure_of(answered(403)).category is None
    assert ErrorCategory.QUOTA.value in QUOTA_KINDS
    assert ErrorCategory.RATE_LIMIT.value in QUOTA_KINDS


def test_quota_and_overload_are_advised_differently() -> None:
    quota, overload = failure_of(answered(429)), failure_of(answered(503))

    assert "raise the quota" in quota.before_the_call().message
    assert "call again in a minute" in overload.before_the_call().message


@pytest.mark.parametrize("error", [closed(1007, "no"), answered(403), ConnectionRefusedError(111, "no")])
def test_what_does_not_pass_is_not_tried_again(error: Exception) -> None:
    assert not failure_of(error).may_pass


def test_a_refusal_quotes_the_model_and_says_what_to_check() -> None:
    error = failure_of(closed(1007, "API key not valid.")).before_the_call()

    assert error.message == (
        "Gemini refused the session (code 1007: API key not valid); check GOOGLE_API_KEY and the model."
    )


def test_a_model_out_of_reach_says_what_to_check() -> None:
    error = failure_of(ConnectionRefusedError(111, "Connection refused")).before_the_call()

    assert "check the network and GOOGLE_GEMINI_BASE_URL" in error.message


def test_the_close_code_is_the_one_the_server_sent() -> None:
    assert failure_of(as_the_sdk_raises(closed(1001, "Going away"))).words == "code 1001: Going away"


def test_a_message_that_was_too_big_for_the_bot_is_named_as_that() -> None:
    failure = failure_of(as_the_sdk_raises(closed_by_us(1009, "frame exceeds limit")))

    assert (failure.code, failure.words) == (1009, "closed by the bot with code 1009: frame exceeds limit")


def test_an_unreadable_answer_is_not_quoted() -> None:
    assert failure_of(ValueError("Failed to parse response: b'hello'")).words == "an unreadable answer"


def test_a_long_reason_is_cut_and_stays_on_one_line() -> None:
    words = failure_of(closed(1011, "x\n" * 500)).words

    assert len(words) < 250
    assert "\n" not in words


async def test_a_setup_that_takes_too_long_has_a_name() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0):
            await asyncio.sleep(1)

    assert failure_of(caught.value).words == "no answer in time"
