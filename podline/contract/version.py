"""The version of Podline, equal to `pyproject.toml`'s: images contain no package metadata to read it from."""

from typing import Final

VERSION: Final = "0.1.0"
