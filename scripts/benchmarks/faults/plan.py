"""What one run of the fault suite is: how long, how much, and what follows from that."""

from __future__ import annotations

from dataclasses import dataclass

MOST_DAILY_RATE = 1.5
"""Starts a second: Daily lets an account delete fifty rooms in half a minute."""


@dataclass(frozen=True)
class FaultPlan:
    """One run.

    Attributes:
        minutes: how long callers call and faults strike.
        live: how many sessions are held.
        listed: how many sessions the cluster lists, those that have ended included.
        rate: starts a second; as many end.
        replicas: controllers.
        seed: of all choices.
        pause_seconds: between two faults, on average.
        only: the only faults that strike, by name; empty for all.
        bot_processes: in how many processes the bots are.
        report_seconds: between two reports of a scripted bot.
        real: how many bots at most are real ones at a time, processes of the runner.
    """

    minutes: float
    live: int
    listed: int
    rate: float
    replicas: int
    seed: int
    pause_seconds: float = 10.0
    only: tuple[str, ...] = ()
    bot_processes: int = 1
    report_seconds: float = 5.0
    real: int = 2

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def life_seconds(self) -> float:
        """How long a session lasts on average, so that so many are live."""
        return self.live / self.rate

    @property
    def keep_ended_seconds(self) -> float:
        """How long a session is kept after its end, so that so many are listed."""
        return max(180.0, (self.listed - self.live) / self.rate)

    @property
    def has_rooms(self) -> bool:
        """Whether sessions have rooms of their own, at a server that can be asked which ones are left."""
        return self.rate <= MOST_DAILY_RATE
