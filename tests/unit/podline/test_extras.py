"""Modules of Pipecat's extras where an extra is missing."""

import math
from typing import Any

import pytest

from podline.errors import ConfigInvalid
from podline.extras import optional


def test_an_installed_module_is_returned() -> None:
    assert optional("any", "math") is math


def test_what_is_missing_is_named_once_it_is_used() -> None:
    transport: Any = optional("daily", "no_such_package.transport").DailyTransport

    class CallersTransport(transport):  # type: ignore[misc]
        """A class of ours."""

    with pytest.raises(ConfigInvalid) as raised:
        CallersTransport("room")

    assert raised.value.message == (
        "A package is not installed (No module named 'no_such_package'): "
        "add pipecat-ai[daily] to the bot's image."
    )


def test_a_missing_error_can_be_caught_beside_others() -> None:
    errors = optional("webrtc", "no_such_package.errors")

    with pytest.raises(ValueError, match="other"):
        _raise_other(errors.InvalidState)


def _raise_other(caught: type[Exception]) -> None:
    try:
        raise ValueError("other")
    except caught:
        pass
