"""The version of Podline, as `pyproject.toml` has it: images hold no package that could be asked."""

from typing import Final

VERSION: Final = "0.1.0"
