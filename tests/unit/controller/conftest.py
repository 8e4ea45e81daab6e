"""What the tests of the controller share."""

from collections.abc import AsyncIterator

import pytest

from testing.fakes.controllers.site import Serve, Site, serve_site


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Opens a site with the settings and keys a test needs."""
    monkeypatch.delenv("PODLINE_PORT", raising=False)
    return serve_site


@pytest.fixture
async def site(serve: Serve) -> AsyncIterator[Site]:
    async with serve() as opened:
        yield opened
