"""Why a session with the model could not be had, in words that help."""

import pytest
from google.genai.errors import APIError
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from podline.contract.reasons import Reason
from podline.gemini.failures import why_no_session


def closed(code: int, reason: str) -> ConnectionClosedError:
    return ConnectionClosedError(rcvd=Close(code, reason), sent=None)


def answered(status: int) -> InvalidStatus:
    return InvalidStatus(Response(status, "", Headers()))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (closed(1007, "API key not valid. Please pass a valid API key."), Reason.MODEL_REFUSED),
        (closed(1008, "models/x is not found"), Reason.MODEL_REFUSED),
        (closed(1011, "You exceeded your current quota"), Reason.MODEL_REFUSED),
        (APIError(1008, {"error": {"message": "no"}}), Reason.MODEL_REFUSED),
        (answered(403), Reason.MODEL_REFUSED),
        (answered(429), Reason.MODEL_REFUSED),
        (answered(502), Reason.MODEL_UNREACHABLE),
        (ConnectionRefusedError(111, "Connect call failed"), Reason.MODEL_UNREACHABLE),
        (TimeoutError("timed out during opening handshake"), Reason.MODEL_UNREACHABLE),
        (ConnectionClosedError(rcvd=None, sent=None), Reason.MODEL_UNREACHABLE),
    ],
)
def test_a_refusal_is_told_from_a_model_out_of_reach(error: Exception, reason: Reason) -> None:
    assert why_no_session(error).reason == reason


def test_the_refusal_names_the_model_s_own_words_and_what_to_check() -> None:
    error = why_no_session(closed(1007, "API key not valid."))

    assert error.message == (
        "Gemini refused the session: API key not valid; check GOOGLE_API_KEY, its quota and the model."
    )


def test_a_model_out_of_reach_says_what_to_check() -> None:
    error = why_no_session(ConnectionRefusedError(111, "Connection refused"))

    assert "check the network and GOOGLE_GEMINI_BASE_URL" in error.message
