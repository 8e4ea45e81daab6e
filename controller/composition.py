"""The composition root: one application, put together from settings and parts."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Final

from fastapi import FastAPI
from uuid_utils import uuid7

from controller.core.admission import SessionAdmission, SessionLimits, limits_of
from controller.core.deadlines import Limits
from controller.core.session import ANONYMOUS, Budget
from controller.observe.agent_gauges import AgentGauges
from controller.observe.gauges import SessionGauges
from controller.observe.replica_metrics import LeadershipGauges, ProxyMetrics, ReplicaMetrics
from controller.parts import Parts
from controller.replicas.forwarding import Forwarder
from controller.replicas.replica import Replica
from controller.replicas.usage_copy import UsageCopy
from controller.rooms.ice import IceServers
from controller.settings import Settings
from controller.supervision.assignment import Assigner, Personas
from controller.supervision.registry import SessionRegistry
from controller.supervision.supervisor import Supervisor
from controller.web.app import ROUTES, create_app
from controller.web.auth import Gate
from controller.web.middleware.request_metrics import RequestMetrics
from controller.web.offer_limit import OfferLimit
from controller.web.rate_limit import ClientRateLimit
from controller.web.services import Services
from podline.contract.version import VERSION

_OFFERS_PER_START: Final = 6
"""A client offers once, retries three times, and sends its candidates in a few batches."""

_FAILURES_PER_MINUTE: Final = 60
"""How often one address may present a wrong key or token."""

_CANDIDATES_HELD_FOR_ONE: Final = 4
"""Requests: a client sends its candidates in a few batches, one after the other."""


def compose(settings: Settings, parts: Parts) -> FastAPI:
    """Return the application, ready to be served. Bots are tracked while its lifespan lasts."""
    access, clock, metrics = settings.access, parts.clock, parts.metrics
    ice = _ice_servers(settings, parts)
    forwarder = Forwarder(parts.signer.replica_token())
    usage = UsageCopy(parts.leadership, forwarder)
    supervisor = _supervisor(settings, parts, ice, usage)
    replica = Replica(
        supervisor=supervisor,
        leadership=parts.leadership,
        why_unfit=parts.why_unfit,
        link=forwarder,
        usage=usage,
        metrics=ReplicaMetrics(metrics.registry),
        clock=clock,
    )
    offer_limit = OfferLimit(_CANDIDATES_HELD_FOR_ONE)
    gauges = SessionGauges(
        supervisor.registry.counts,
        lambda: offer_limit.total,
        replica.not_ready_reason,
        supervisor.starts.limits_now,
        VERSION,
        replica.leads,
    )
    metrics.registry.register(gauges)
    metrics.registry.register(LeadershipGauges(parts.leadership, replica.reaches_leader))
    registry = supervisor.registry
    metrics.registry.register(
        AgentGauges(
            supervisor.agents.all,
            registry.phases_by_agent,
            supervisor.pool.stages,
            supervisor.pool.wanted,
            replica.leads,
        )
    )
    services = Services(
        settings=settings,
        supervisor=supervisor,
        replica=replica,
        forwarder=forwarder,
        proxied=ProxyMetrics(metrics.registry),
        runtime=parts.runtime,
        agent_editor=parts.agent_editor,
        secret_sets=parts.secret_sets,
        gate=Gate(parts.keys, access.default_agent),
        signer=parts.signer,
        ice=ice,
        clock=clock,
        identities=parts.identities,
        anonymous_name=lambda: f"{ANONYMOUS}-{secrets.token_hex(8)}",
        starts=ClientRateLimit(access.public_starts_per_minute),
        public_keys=ClientRateLimit(access.public_key_starts_per_minute),
        offers=ClientRateLimit(access.public_starts_per_minute * _OFFERS_PER_START),
        failures=ClientRateLimit(_FAILURES_PER_MINUTE),
        offer_limit=offer_limit,
        metrics=metrics,
        requests=RequestMetrics(metrics.registry, ROUTES, metrics.batch_refused, clock.monotonic),
    )
    return create_app(services, parts.tracing)


def _ice_servers(settings: Settings, parts: Parts) -> IceServers:
    webrtc = settings.webrtc
    turn_secret = webrtc.turn_secret.get_secret_value() if webrtc.turn_secret else None
    return IceServers(parts.clock.now, webrtc.ice_servers, turn_secret)


def _session_limits(settings: Settings) -> SessionLimits:
    limits = settings.limits
    return SessionLimits(
        capacity=limits.capacity,
        per_user=limits.sessions_per_user,
        per_address=limits.anonymous_sessions_per_address,
        per_model_key=limits.model_keys,
    )


def _supervisor(settings: Settings, parts: Parts, ice: IceServers, usage: UsageCopy) -> Supervisor:
    limits, budgets = settings.limits, settings.budgets
    return Supervisor(
        runtime=parts.runtime,
        rooms=parts.rooms,
        registry=SessionRegistry(
            SessionAdmission(_session_limits(settings), partial(limits_of, parts.agents))
        ),
        assigner=Assigner(
            controller_url=settings.listeners.url_for_bots,
            grace_seconds=limits.grace_seconds,
            personas=Personas(directory=settings.bots.personas),
            signer=parts.signer,
            ice=ice,
            refuse_private_candidates=settings.webrtc.refuse_private_candidates,
        ),
        limits=Limits(
            start_timeout=limits.start_timeout_seconds,
            grace=limits.grace_seconds,
            silence=limits.silence_seconds,
        ),
        keep_ended_seconds=limits.keep_ended_seconds,
        clock=parts.clock,
        new_id=lambda: str(uuid7()),
        metrics=parts.metrics,
        tracing=parts.tracing,
        credentials=parts.credentials,
        agents=parts.agents,
        preflight=parts.preflight,
        given_to=parts.given_to,
        most_budget=Budget(
            tokens=budgets.max_tokens or budgets.tokens, cost=budgets.max_cost or budgets.cost
        ),
        may_write=parts.leadership.may_write,
        used_before=usage.of,
    )
