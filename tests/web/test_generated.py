"""The example web app has the API, the products and the store's exchanges as they are here."""

from pathlib import Path

import pytest

from testing.web.generated import EXAMPLE, generated

FILES = generated()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(EXAMPLE)))
def test_what_is_committed_is_what_would_be_made(path: Path) -> None:
    assert path.read_text() == FILES[path], "run scripts/generate"
