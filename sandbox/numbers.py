"""English words for whole numbers from 1 to 999, both ways."""

from __future__ import annotations

from typing import Final

_ONES: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_UNIT: Final = {word: value for value, word in enumerate(_ONES) if value}
_TEN: Final = {word: value * 10 for value, word in enumerate(_TENS) if value > 1}


def words_for_number(number: int) -> str:
    """A number from 1 to 999 as it is spoken: 123 is `one hundred twenty three`."""
    hundreds, rest = divmod(number, 100)
    words = [_ONES[hundreds], "hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10])
        rest %= 10
    if rest:
        words.append(_ONES[rest])
    return " ".join(words)


def digits_for_words(text: str) -> str:
    """Write each number in a lower-case text as digits: `save product twenty one` -> `save product 21`."""
    words = text.split()
    written: list[str] = []
    position = 0
    while position < len(words):
        value, length = _leading_number(words[position:])
        written.append(str(value) if length else words[position])
        position += max(length, 1)
    return " ".join(written)


def _leading_number(words: list[str]) -> tuple[int, int]:
    """Return the number at the start of the words, and how many words it takes; (0, 0) without one."""
    if len(words) > 1 and words[1] == "hundred" and _UNIT.get(words[0], 10) < 10:
        skipped = 3 if len(words) > 2 and words[2] == "and" else 2
        rest, length = _below_hundred(words[skipped:])
        return _UNIT[words[0]] * 100 + rest, skipped + length if length else 2
    if words[0] == "hundred":
        return 100, 1
    return _below_hundred(words)


def _below_hundred(words: list[str]) -> tuple[int, int]:
    if not words:
        return 0, 0
    first = words[0].replace("-", " ").split()
    if len(first) == 2 and first[0] in _TEN and _UNIT.get(first[1], 10) < 10:
        return _TEN[first[0]] + _UNIT[first[1]], 1
    if words[0] in _TEN:
        unit = _UNIT.get(words[1], 10) if len(words) > 1 else 10
        return (_TEN[words[0]] + unit, 2) if unit < 10 else (_TEN[words[0]], 1)
    return (_UNIT[words[0]], 1) if words[0] in _UNIT else (0, 0)
