"""What the model takes a text for, given what it still owes."""

from sandbox.gemini.memory import Memory
from sandbox.gemini.understanding import asked_in_writing
from sandbox.mind.dialogue import Asked
from sandbox.mind.intents import Search

OWED = Asked("answer", Search("shoes"))


def owing() -> Memory:
    return Memory(greeted=True, asked=OWED, owes=True)


def test_words_that_are_not_understood_are_not_taken_for_the_earlier_question() -> None:
    asked = asked_in_writing(owing(), "my neighbour plays the xylophone", (), typed=True)

    assert (asked.kind, asked.intent) == ("answer", None)


def test_a_request_without_words_is_for_what_is_owed() -> None:
    assert asked_in_writing(owing(), " ", (), typed=False) == OWED


def test_a_request_to_answer_again_is_for_what_was_asked_last() -> None:
    assert asked_in_writing(owing(), "The caller heard no answer.", (), typed=False) == OWED
