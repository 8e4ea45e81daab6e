"""Parts of a controller under test: fakes, but for what a test brings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from controller.agents.built_in import BuiltInAgents
from controller.agents.defined_by_files import DefinedByFiles, SecretFiles
from controller.core.agents import AgentEditor, Agents, Preflight, no_preflight
from controller.core.credentials import Credentials
from controller.core.leadership import Leadership, SoleController
from controller.core.primitives.clock import Clock, system_clock
from controller.core.rooms import Rooms
from controller.core.runtime import Runtime
from controller.core.secret_sets import SecretSets
from controller.core.tokens import Signer
from controller.core.tracing import Tracing, Untraced
from controller.core.warm import GivenTo, given_nothing
from controller.hosting import always_fit
from controller.observe.metrics import Metrics
from controller.parts import Parts
from controller.web.auth import Identities, Key
from testing.fakes.controllers.metered import some_metrics
from testing.fakes.controllers.runtimes_and_rooms import FakeRooms, FakeRuntime

SIGNER: Final = Signer(b"a secret for tests")


def fake_parts(
    *,
    agents: Agents | None = None,
    agent_editor: AgentEditor | None = None,
    secret_sets: SecretSets | None = None,
    preflight: Preflight = no_preflight,
    given_to: GivenTo = given_nothing,
    leadership: Leadership | None = None,
    why_unfit: Callable[[], str | None] = always_fit,
    runtime: Runtime | None = None,
    rooms: Rooms | None = None,
    signer: Signer = SIGNER,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
    tracing: Tracing | None = None,
    credentials: Credentials | None = None,
    keys: Sequence[Key] | None = None,
    identities: Identities | None = None,
) -> Parts:
    """Return these parts, with a fake or the least that works for each that is left out."""
    agents = agents or BuiltInAgents()
    return Parts(
        agents=agents,
        agent_editor=agent_editor or DefinedByFiles(agents),
        secret_sets=secret_sets or SecretFiles(None),
        preflight=preflight,
        given_to=given_to,
        leadership=leadership or SoleController(),
        why_unfit=why_unfit,
        runtime=runtime or FakeRuntime(),
        rooms=rooms or FakeRooms(),
        signer=signer,
        clock=clock or system_clock(),
        metrics=metrics or some_metrics(),
        tracing=tracing or Untraced(),
        credentials=credentials or Credentials(),
        keys=keys,
        identities=identities,
    )
