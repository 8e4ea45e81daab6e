"""Gauges about agents, read from their source and their sessions at the moment of a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from controller.core.agents import AgentStatus
from controller.core.pool_plan import WarmStage
from podline.contract.reasons import Phase

_RUNNING = (Phase.STARTING, Phase.LIVE, Phase.STOPPING)


class AgentGauges(Collector):
    """Each agent's current state. Only agents that are defined have series."""

    def __init__(
        self,
        agents: Callable[[], Sequence[AgentStatus]],
        phases: Callable[[], Mapping[str, Mapping[Phase, int]]],
        warm_bots: Callable[[], Mapping[str, Mapping[WarmStage, int]]],
        wanted: Callable[[], Mapping[str, int]],
        is_leading: Callable[[], bool],
    ) -> None:
        """Collect from these.

        Args:
            agents: returns all agents.
            phases: returns how many sessions each agent has, by phase.
            warm_bots: returns how many warm bots each agent with a pool has, by stage.
            wanted: returns how many warm bots should wait now, by agent with a pool.
            is_leading: returns whether this controller leads; agents are shown by that one alone.
        """
        self._is_leading = is_leading
        self._agents = agents
        self._phases = phases
        self._warm_bots = warm_bots
        self._wanted = wanted

    def collect(self) -> Iterator[Metric]:
        if not self._is_leading():
            return
        invalid = GaugeMetricFamily(
            "podline_agent_definition_invalid",
            "1 while an agent's latest definition can't be used.",
            labels=("agent",),
        )
        info = GaugeMetricFamily(
            "podline_agent_info", "The active version of an agent.", labels=("agent", "version")
        )
        sessions = GaugeMetricFamily(
            "podline_agent_sessions", "Sessions of an agent, by phase.", labels=("agent", "phase")
        )
        phases = self._phases()
        for status in self._agents():
            invalid.add_metric((status.name,), status.problem is not None)
            if status.version is not None:
                info.add_metric((status.name, status.version.id), 1)
            counts = phases.get(status.name, {})
            for phase in _RUNNING:
                sessions.add_metric((status.name, str(phase)), counts.get(phase, 0))
        warm = GaugeMetricFamily("podline_warm_bots", "Warm bots, by state.", labels=("agent", "state"))
        for agent, stages in self._warm_bots().items():
            for stage in WarmStage:
                warm.add_metric((agent, str(stage)), stages.get(stage, 0))
        wanted = GaugeMetricFamily(
            "podline_warm_bots_wanted", "Warm bots that should wait now.", labels=("agent",)
        )
        for agent, count in self._wanted().items():
            wanted.add_metric((agent,), count)
        yield from (invalid, info, sessions, warm, wanted)
