"""The run of those situations whose tests were chosen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from testing.model_faults.call import FaultSite
from testing.model_faults.playing import Player
from testing.model_faults.situations import Situation
from tests.local.conftest import MODEL_FAULTS


@contextlib.asynccontextmanager
async def playing_chosen(
    request: pytest.FixtureRequest, site: FaultSite, situations: Sequence[Situation]
) -> AsyncIterator[Player]:
    """Play the situations whose tests of this module were chosen, and show what was heard at the end."""
    chosen = {
        found.name
        for item in request.session.items
        if item.path == request.path and (found := _situation_of(item)) is not None
    }
    player = Player(site, [each for each in situations if each.name in chosen])
    playing = asyncio.create_task(player.play())
    try:
        yield player
        await playing
    finally:
        playing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await playing
        request.config.stash[MODEL_FAULTS].extend(player.table())


def _situation_of(item: pytest.Item) -> Situation | None:
    """Return the situation that is a test's parameter, if it has one."""
    call = getattr(item, "callspec", None)
    found = None if call is None else call.params.get("situation")
    return found if isinstance(found, Situation) else None
