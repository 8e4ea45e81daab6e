"""Variables in secret sets, as controllers accept them."""

from typing import Final

VARIABLE_PATTERN: Final = r"[A-Za-z_][-A-Za-z0-9_]{0,63}"
"""The name of a variable in a set."""

MOST_VALUE_CHARACTERS: Final = 32 * 1024
