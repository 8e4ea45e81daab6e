"""What the tests of this folder share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def no_way_around() -> Iterator[None]:
    """No proxy, and no cluster that these tests happen to run in."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            patch.delenv(name, raising=False)
            patch.delenv(name.upper(), raising=False)
        patch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
        yield
