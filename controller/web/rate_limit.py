"""A token bucket for each client, which allows bursts but not floods. Pure: time is an argument."""

from __future__ import annotations

from collections import OrderedDict

from controller.core.errors import RateLimited


class ClientRateLimit:
    """Each client may ask `per_minute` times at once, and regains that many over a minute."""

    def __init__(self, per_minute: float, most_clients: int = 10_000) -> None:
        """`most_clients` limits how many are remembered; the least recently seen is forgotten first."""
        self._burst = per_minute
        self._per_second = per_minute / 60
        self._most_clients = most_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str, now: float) -> None:
        """Count one request.

        Args:
            client: who sent it.
            now: seconds on a monotonic clock.

        Raises:
            RateLimited: the client has sent too many.
        """
        left, since = self._buckets.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        self._buckets[client] = (max(0.0, left - 1), now) if left >= 1 else (left, now)
        if len(self._buckets) > self._most_clients:
            self._buckets.popitem(last=False)
        if left < 1:
            raise RateLimited((1 - left) / self._per_second)
