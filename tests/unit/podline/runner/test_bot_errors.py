"""What a bot's author reads of an error: its kind and place, and its text only where bots are developed."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from podline.contract.reasons import Reason
from podline.errors import ModelRefused
from podline.runner.bot_errors import ending_of_bot, import_error, message_with_error
from podline.runner.ending import CallEnding
from podline.runner.masking import Secrets

HERE = Path(__file__)


def raised(code: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - of any kind
        code()
    return caught.value


def fails_in_a_group() -> None:
    raise ExceptionGroup("all", [ModelRefused("The model refused the key.")])


def fails() -> None:
    raise ValueError("4111 1111 1111 1111")


@pytest.mark.parametrize(
    ("code", "reason", "words"),
    [
        (
            lambda: ast.literal_eval("what the model wrote"),
            Reason.CRASHED,
            "The bot raised SyntaxError in test_bot_errors.py, line ",
        ),
        (fails_in_a_group, Reason.MODEL_REFUSED, "The model refused the key."),
        (fails, Reason.CRASHED, "The bot raised ValueError in test_bot_errors.py, line "),
        (
            lambda: __import__("no_such_package_9"),
            Reason.CRASHED,
            "can't import no_such_package_9 in test_bot_errors.py, line ",
        ),
        (
            lambda: os.environ["NO_SUCH_VARIABLE_9"],
            Reason.CONFIG_INVALID,
            "needs the variable NO_SUCH_VARIABLE_9, which is not set, in test_bot_errors.py, line ",
        ),
        (lambda: dict[str, str]()["4111"], Reason.CRASHED, "raised KeyError in test_bot_errors.py"),
        (lambda: compile("def (", "bot.py", "exec"), Reason.CRASHED, "has a syntax error in bot.py, line 1"),
        (lambda: int("x" * 5), Reason.CRASHED, "raised ValueError"),
    ],
)
def test_an_error_is_named_with_its_place(code: Callable[[], object], reason: Reason, words: str) -> None:
    ending = ending_of_bot(raised(code), HERE)

    assert ending.reason is reason
    assert words in ending.message
    assert "4111" not in ending.message


def test_a_variable_of_the_call_is_looked_for_in_the_call() -> None:
    ending = ending_of_bot(raised(lambda: os.environ["PODLINE_PERSONA"]), HERE)

    assert ending.message.endswith(" Read PODLINE_PERSONA in bot(runner_args), once there is a call.")


def test_a_name_that_would_write_to_the_operators_terminal_does_not() -> None:
    ending = ending_of_bot(ModuleNotFoundError(name="\x1b[2Jpackage\n" + "x" * 500), HERE)

    assert "\x1b" not in ending.message
    assert len(ending.message) < 400


def test_the_innermost_line_of_the_bots_own_code_is_named_rather_than_a_librarys() -> None:
    ending = ending_of_bot(raised(lambda: Path("/nowhere/9").read_text()), HERE)

    assert "raised FileNotFoundError in test_bot_errors.py" in ending.message


def fails_with_a_key() -> None:
    raise ValueError("no shelf for sekret-key\nsecond line")


def test_where_bots_are_developed_the_message_has_the_last_line_of_the_traceback_without_secrets() -> None:
    ending = ending_of_bot(raised(fails_with_a_key), HERE)
    secrets = Secrets({"A_KEY": "sekret-key"})

    assert "shelf" not in ending.message
    assert message_with_error(ending, secrets) == f"{ending.message} The traceback ends with: second line"
    shelves: dict[str, int] = {}
    ending = CallEnding.of_bug(raised(lambda: shelves["sekret-key"]))
    assert message_with_error(ending, secrets).endswith(" The traceback ends with: KeyError: '***'")


def test_a_bot_that_cant_be_imported_has_a_last_line_too_and_an_ending_without_error_has_none() -> None:
    error = import_error(raised(fails), HERE)
    error.__cause__ = raised(fails)

    message = message_with_error(CallEnding.of(error), Secrets({}))
    assert message.endswith("The traceback ends with: ValueError: 4111 1111 1111 1111")
    assert message_with_error(CallEnding(Reason.IDLE, "Nobody spoke."), Secrets({})) == "Nobody spoke."
