"""A burst is let pass, a flood is not."""

import pytest

from controller.core.errors import RateLimited
from controller.web.rate_limit import ClientRateLimit


def allowed(limit: ClientRateLimit, client: str, now: float) -> bool:
    try:
        limit.take(client, now)
    except RateLimited:
        return False
    return True


def test_a_burst_passes_and_the_next_must_wait_its_share_of_a_minute() -> None:
    limit = ClientRateLimit(per_minute=3)

    assert [allowed(limit, "a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert not allowed(limit, "a", 19.0)
    assert allowed(limit, "a", 21.0)
    assert not allowed(limit, "a", 22.0)


def test_clients_do_not_share() -> None:
    limit = ClientRateLimit(per_minute=1)
    assert allowed(limit, "a", 0)
    assert allowed(limit, "b", 0)


def test_rest_is_not_saved_up_beyond_one_burst() -> None:
    limit = ClientRateLimit(per_minute=2)
    assert allowed(limit, "a", 0)
    assert [allowed(limit, "a", 9999) for _ in range(3)] == [True, True, False]


def test_what_is_remembered_is_bounded() -> None:
    limit = ClientRateLimit(per_minute=1, most_clients=2)
    for client in "abc":
        limit.take(client, 0)

    assert allowed(limit, "a", 0)
    with pytest.raises(RateLimited, match="Try again in 60 seconds"):
        limit.take("c", 0)
