"""The services that routes, middleware and server share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.core.agents import AgentEditor
from controller.core.primitives.clock import Clock
from controller.core.runtime import Runtime
from controller.core.secret_sets import SecretSets
from controller.core.session import Session
from controller.core.tokens import Signer
from controller.observe.metrics import Metrics
from controller.observe.replica_metrics import ProxyMetrics
from controller.replicas.forwarding import Forwarder
from controller.replicas.replica import Replica
from controller.rooms.ice import IceServers
from controller.settings import Settings
from controller.supervision.supervisor import Supervisor
from controller.web.auth import Gate, Identities
from controller.web.middleware.request_metrics import RequestMetrics
from controller.web.models.sessions import IceServerOut, SessionOut
from controller.web.offer_limit import OfferLimit
from controller.web.rate_limit import ClientRateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What routes use: the supervisor, the checks before it, and their limits."""

    settings: Settings
    supervisor: Supervisor
    replica: Replica
    forwarder: Forwarder
    proxied: ProxyMetrics
    runtime: Runtime
    agent_editor: AgentEditor
    secret_sets: SecretSets
    gate: Gate
    signer: Signer
    ice: IceServers
    clock: Clock
    identities: Identities | None
    anonymous_name: Callable[[], str]
    starts: ClientRateLimit
    public_keys: ClientRateLimit
    offers: ClientRateLimit
    failures: ClientRateLimit
    offer_limit: OfferLimit
    metrics: Metrics
    requests: RequestMetrics

    @property
    def has_page(self) -> bool:
        """Whether our page is served: to this machine without keys, to everybody with public starts."""
        return not self.gate.asks_for_keys or self.settings.access.public_start

    @property
    def has_docs(self) -> bool:
        """Whether the API's reference is served: to this machine without keys, elsewhere only if set."""
        docs = self.settings.access.docs
        return not self.gate.asks_for_keys if docs is None else docs

    def shown(
        self,
        session: Session,
        caller_token: str | None = None,
        ice_servers: list[IceServerOut] | None = None,
    ) -> SessionOut:
        """Return a session as the API shows it."""
        return SessionOut.of(session, self.metrics.prices, caller_token, ice_servers)

    def holds(self, session_id: str, token: str) -> bool:
        """Return whether this is the session's token for its current launch."""
        record = self.supervisor.registry.find(session_id)
        launch_id = record.session.launch_id if record is not None else ""
        # Computed either way, so that the time taken does not reveal whether the session exists.
        is_right = self.signer.is_session_token(token, session_id, launch_id)
        return is_right and record is not None

    def ice_servers(self, session: Session) -> list[IceServerOut] | None:
        """Return the servers for the caller of a session that has not ended; None if there are none."""
        if session.phase.is_end:
            return None
        left = self.supervisor.starts.seconds_left(session)
        servers = self.ice.for_session(session.id, left)
        return [IceServerOut.model_validate(each) for each in servers] or None
