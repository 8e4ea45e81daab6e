"""All settings of the controller, and impossible combinations. Read once, then passed down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Self

from pydantic import BaseModel, ValidationError, model_validator

from controller.core.primitives.addresses import is_loopback
from controller.core.primitives.validation import describe_errors
from controller.settings.access import AccessSettings
from controller.settings.bots import BotSettings
from controller.settings.budgets import BudgetSettings
from controller.settings.limits import LimitSettings
from controller.settings.listeners import ListenerSettings
from controller.settings.metrics import MetricsSettings
from controller.settings.replicas import ReplicaSettings
from controller.settings.rooms import DailySettings, LiveKitSettings, RoomSettings, WebRtcSettings
from controller.settings.runtimes import KubernetesSettings, LocalSettings, RuntimeSettings
from controller.settings.variables import IS_FROZEN, Group

BOTS_PORT: Final = 7861
"""In a cluster: the Service in deploy/base leads to it."""

_LONGEST_TOKEN_SECONDS: Final = 71_400
"""A little under Google's 20 hours, because clocks differ."""


class Settings(BaseModel):
    """One group for each thing that is configured."""

    model_config = IS_FROZEN

    bots: BotSettings
    runtime: RuntimeSettings
    kubernetes: KubernetesSettings
    local: LocalSettings
    rooms: RoomSettings
    webrtc: WebRtcSettings
    daily: DailySettings
    livekit: LiveKitSettings
    listeners: ListenerSettings
    replicas: ReplicaSettings
    access: AccessSettings
    limits: LimitSettings
    budgets: BudgetSettings
    metrics: MetricsSettings

    @classmethod
    def read(cls, *sources: Mapping[str, object]) -> Settings:
        """Read the settings from environment variables.

        Args:
            sources: variables by name, in any case. Later sources override earlier ones; an empty value
                counts as none.

        Raises:
            ValidationError: something can't be used; `complaint_about` puts it into words.
        """
        variables = {
            name.upper(): value
            for source in sources
            for name, value in source.items()
            if value not in ("", None)
        }
        return cls.model_validate(dict.fromkeys(cls.model_fields, variables))

    @classmethod
    def groups(cls) -> Iterator[type[Group]]:
        """List the groups in the order in which they are documented."""
        for field in cls.model_fields.values():
            if not isinstance(field.annotation, type) or not issubclass(field.annotation, Group):
                raise TypeError(f"{field.annotation} is not a group of settings")
            yield field.annotation

    @model_validator(mode="after")
    def _only_loopback_without_keys(self) -> Self:
        host = self.listeners.host
        if self.access.keys_file is None and not is_loopback(host):
            raise ValueError(
                f"PODLINE_HOST={host} is open to others: set PODLINE_KEYS_FILE, or listen on 127.0.0.1"
            )
        return self

    @model_validator(mode="after")
    def _only_this_machine_without_keys(self) -> Self:
        """Require keys behind a proxy, where every request looks like one of this machine's owner."""
        serves_others = self.listeners.trusted_proxies or not is_loopback(self.listeners.host_for_callers)
        if self.access.keys_file is None and serves_others:
            raise ValueError(
                "PODLINE_PUBLIC_URL and PODLINE_TRUSTED_PROXIES serve others: set PODLINE_KEYS_FILE "
                "(a file with [] leaves nothing but the public start open)"
            )
        return self

    @model_validator(mode="after")
    def _ice_servers_are_used(self) -> Self:
        if self.webrtc.ice_servers and self.rooms.kind != "webrtc":
            raise ValueError(
                "PODLINE_ICE_SERVERS is for PODLINE_ROOMS=webrtc: LiveKit and Daily bring their own"
            )
        return self

    @model_validator(mode="after")
    def _bots_have_a_port_of_their_own(self) -> Self:
        wanted, listeners = self.bots_port_wanted, self.listeners
        if wanted is not None and wanted in (listeners.port, listeners.metrics_port):
            raise ValueError(
                "PODLINE_BOTS_PORT: bots need a port of their own, other than those of callers and metrics"
            )
        if self.runtime.kind == "local" and listeners.controller_url and listeners.bots_port is None:
            raise ValueError(
                "PODLINE_CONTROLLER_URL needs PODLINE_BOTS_PORT: it must lead to the port for bots"
            )
        return self

    @model_validator(mode="after")
    def _replicas_can_reach_each_other(self) -> Self:
        """Check what several controllers need; a cluster's Jobs need PODLINE_SECRET in any case."""
        replicas, listeners = self.replicas, self.listeners
        if replicas.address is None:
            return self
        if self.runtime.kind != "kubernetes":
            raise ValueError(
                "PODLINE_REPLICA_ADDRESS needs PODLINE_RUNTIME=kubernetes: processes of one machine have one "
                "controller"
            )
        if self.access.secret is None:
            raise ValueError(
                "PODLINE_REPLICA_ADDRESS needs PODLINE_SECRET: by it controllers of one installation know "
                "each other"
            )
        if replicas.port in (listeners.port, listeners.metrics_port, self.bots_port_wanted):
            raise ValueError(
                "PODLINE_REPLICAS_PORT: other controllers need a port of their own, other than those of "
                "callers, bots and metrics"
            )
        return self

    @model_validator(mode="after")
    def _costs_have_prices(self) -> Self:
        costs = {
            "PODLINE_BUDGET_COST": self.budgets.cost,
            "PODLINE_MAX_BUDGET_COST": self.budgets.max_cost,
        }
        for name, cost in costs.items():
            if cost is not None and self.metrics.prices_file is None:
                raise ValueError(f"{name} needs PODLINE_PRICES_FILE: without prices nothing has a cost")
        return self

    @model_validator(mode="after")
    def _jobs_can_work(self) -> Self:
        if self.runtime.kind != "kubernetes":
            return self
        template = self.kubernetes.job_template
        needed = {
            "PODLINE_JOB_TEMPLATE": (
                template,
                "the template of the Jobs to launch, such as deploy/base/bot-job.yaml",
            ),
            "PODLINE_CONTROLLER_URL": (self.listeners.controller_url, "where pods reach this controller"),
            "PODLINE_SECRET": (self.access.secret, "bots outlive the controller, and so must their tokens"),
        }
        for name, (value, why) in needed.items():
            if value is None:
                raise ValueError(f"PODLINE_RUNTIME=kubernetes needs {name}: {why}")
        if self.local.agents is not None:
            raise ValueError(
                "PODLINE_AGENTS is for processes on this machine; in a cluster each agent has a ConfigMap"
            )
        if self.local.bot_memory_megabytes is not None:
            raise ValueError(
                "PODLINE_BOT_MEMORY_MEGABYTES is for processes on this machine; "
                "set the memory limit in the Job template"
            )
        return self

    @model_validator(mode="after")
    def _rooms_can_be_made(self) -> Self:
        livekit = self.livekit
        needed: dict[str, dict[str, tuple[object, str]]] = {
            "daily": {
                "DAILY_API_KEY": (self.daily.api_key, "a key from https://dashboard.daily.co/developers"),
            },
            "livekit": {
                "LIVEKIT_URL": (livekit.url, "where it is, such as wss://livekit.example.com"),
                "LIVEKIT_API_KEY": (livekit.api_key, "a key of that server"),
                "LIVEKIT_API_SECRET": (livekit.api_secret, "the secret of that key"),
            },
        }
        for name, (value, what) in needed.get(self.rooms.kind, {}).items():
            if not value:
                raise ValueError(f"PODLINE_ROOMS={self.rooms.kind} needs {name}: {what}")
        return self

    @model_validator(mode="after")
    def _tokens_last_long_enough(self) -> Self:
        limits = self.limits
        longest = limits.start_timeout_seconds + limits.max_duration_seconds + limits.grace_seconds
        if self.bots.gemini_ephemeral_tokens and longest > _LONGEST_TOKEN_SECONDS:
            raise ValueError(
                "PODLINE_GEMINI_EPHEMERAL_TOKENS=true: Google's tokens last less than 20 hours; "
                "set PODLINE_MAX_DURATION_SECONDS to 68400 or less"
            )
        return self

    @property
    def bots_port_wanted(self) -> int | None:
        """The port for bots; None if any will do, because only processes of this machine use it."""
        port = self.listeners.bots_port
        return BOTS_PORT if port is None and self.runtime.kind == "kubernetes" else port

    def with_bots_at(self, port: int, url: str | None) -> Settings:
        """Return these settings with the port and the URL at which bots are served."""
        listeners = self.listeners.model_copy(update={"bots_port": port, "controller_url": url})
        return self.model_copy(update={"listeners": listeners})


def complaint_about(error: ValidationError) -> str:
    """Name each wrong variable and what is wrong with it. Values are not repeated."""
    # The first step of each location is the group, which operators don't know.
    return describe_errors([{**each, "loc": each["loc"][1:]} for each in error.errors()], root=0)
