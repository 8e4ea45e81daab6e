"""Where agents are defined and where their bots run: on this machine, or in a cluster."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from prometheus_client import CollectorRegistry

from controller.agents.built_in import BuiltInAgents
from controller.agents.defined_by_files import DefinedByFiles, SecretFiles
from controller.agents.files import AgentFiles
from controller.core.agents import (
    AgentEditor,
    AgentHome,
    Agents,
    AgentVersion,
    Preflight,
    no_preflight,
)
from controller.core.leadership import Leadership, SoleController
from controller.core.primitives.clock import Clock
from controller.core.runtime import Runtime
from controller.core.secret_sets import SecretSets
from controller.core.tracing import Tracing
from controller.core.warm import GivenTo, given_nothing
from controller.runtimes.local.hiding import hide_this_process
from controller.runtimes.local.installation import state_directory
from controller.runtimes.local.memory import own_memory_events
from controller.runtimes.local.preflight import LocalPreflight
from controller.runtimes.local.programs import AgentPrograms, bot_variables
from controller.runtimes.local.runtime import LocalRuntime
from controller.settings import Settings


class ConfigurationError(Exception):
    """A part can't be made as the settings describe it; the sentence names the variable and the fix."""


def always_fit() -> None:
    """Return None: the only controller never takes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosting:
    """Where agents are defined and where their bots run.

    Attributes:
        agents: all of them.
        editor: changes them.
        secret_sets: that they name.
        runtime: runs their bots.
        preflight: what these lack there.
        given_to: what stands for all that these are given besides their version.
        leadership: decides which controller of several leads.
        why_unfit: returns why this one could not take over right now; None if it could.
    """

    agents: Agents
    editor: AgentEditor
    secret_sets: SecretSets
    runtime: Runtime
    preflight: Preflight
    given_to: GivenTo
    leadership: Leadership = field(default_factory=SoleController)
    why_unfit: Callable[[], str | None] = always_fit


def choose_hosting(
    settings: Settings,
    variables: Mapping[str, str],
    directory: Path,
    clock: Clock,
    registry: CollectorRegistry,
    tracing: Tracing,
) -> Hosting:
    """Choose where agents are defined, where their bots run, and who knows what these lack there."""
    if settings.runtime.kind == "kubernetes":
        return _in_cluster(settings, clock, registry, tracing)
    return _on_this_machine(settings, variables, directory, clock)


def _in_cluster(settings: Settings, clock: Clock, registry: CollectorRegistry, tracing: Tracing) -> Hosting:
    # Takes half as much memory as the rest of the controller, so only if it is needed.
    from controller.agents.cluster.assembly import cluster_agents  # noqa: PLC0415
    from controller.runtimes.kubernetes.build_runtime import (  # noqa: PLC0415
        build_runtime,
        choose_leadership,
        find_cluster,
    )
    from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid  # noqa: PLC0415
    from controller.runtimes.kubernetes.client.namespace_client import NamespaceClient  # noqa: PLC0415

    try:
        cluster = find_cluster(settings, clock, registry)
    except ConfigurationInvalid as error:
        raise ConfigurationError(str(error)) from error
    rng = random.Random()  # noqa: S311 - spreads pauses, guards nothing
    client = NamespaceClient(cluster.api(), cluster.namespace)
    of_cluster = cluster_agents(client, cluster.template, settings.limits, clock, rng)
    cluster = replace(cluster, template=of_cluster.template)
    runtime = build_runtime(cluster, settings, clock, registry, tracing)
    leadership = choose_leadership(cluster, runtime, settings, clock, rng)
    return Hosting(
        agents=of_cluster.agents,
        editor=of_cluster.deployments,
        secret_sets=of_cluster.secret_sets,
        runtime=runtime,
        preflight=no_preflight,
        given_to=of_cluster.given_to,
        leadership=leadership,
        why_unfit=runtime.why_not_following,
    )


def _on_this_machine(
    settings: Settings, variables: Mapping[str, str], directory: Path, clock: Clock
) -> Hosting:
    # Before the first bot exists.
    hide_this_process()
    files = AgentFiles(settings.local.agents) if settings.local.agents is not None else None
    home_of = files.home_of if files is not None else _no_home
    runtime = LocalRuntime(
        program_of=AgentPrograms(bot_variables(variables), home_of, directory).program_of,
        directory=directory,
        grace_seconds=settings.limits.grace_seconds,
        keep_ended_seconds=settings.limits.keep_ended_seconds,
        clock=clock,
        memory_megabytes=settings.local.bot_memory_megabytes,
        memory_events=own_memory_events(),
        state=state_directory(variables),
    )
    agents = files or BuiltInAgents()
    return Hosting(
        agents=agents,
        editor=DefinedByFiles(agents),
        secret_sets=SecretFiles(settings.local.agents),
        runtime=runtime,
        preflight=LocalPreflight(variables, home_of).problem_of,
        given_to=files.given_to if files is not None else given_nothing,
    )


def _no_home(_agent: AgentVersion) -> AgentHome | None:
    """Return None: without a directory of agents, none lives in one."""
    return None
