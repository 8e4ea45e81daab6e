"""The controller's listeners, its addresses for callers and bots, and limits on connections."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, PositiveInt, model_validator

from controller.core.primitives.addresses import is_origin
from controller.settings.variables import COMMA_SEPARATED, Group, variable


def _origin(text: str) -> str:
    """Read exact origins: no `*`, because allowing everybody equals having no keys."""
    if not is_origin(text):
        raise ValueError("an origin looks like https://shop.example.com, with nothing after it")
    return text.lower()


def _network(text: str) -> str:
    network = ipaddress.ip_network(text)
    if network.prefixlen == 0:
        raise ValueError("this would trust everybody; list only the addresses of the proxies")
    mapped = network.network_address.ipv4_mapped if network.version == 6 else None
    if mapped is not None and network.prefixlen > 96:
        network = ipaddress.ip_network((mapped, network.prefixlen - 96))
    return str(network)


Origin = Annotated[str, AfterValidator(_origin)]
IpNetwork = Annotated[str, AfterValidator(_network)]


class ListenerSettings(Group):
    """Listeners and addresses."""

    host: str = variable(
        "PODLINE_HOST",
        "The address to listen on. Any address other than loopback needs PODLINE_KEYS_FILE.",
        default="127.0.0.1",
    )
    port: int = variable("PODLINE_PORT", "The port for the API and the page.", default=7860, ge=1, le=65535)
    metrics_port: int | None = variable(
        "PODLINE_METRICS_PORT",
        "A separate port for /metrics, on the same address, without a key. By default /metrics is on "
        "PODLINE_PORT and, if there are keys, needs one with scope read.",
        example="9464",
        ge=1,
        le=65535,
    )
    bots_port: int | None = variable(
        "PODLINE_BOTS_PORT",
        "The port for bots and probes (/internal, /livez, /readyz), on the same address; a flood on "
        "PODLINE_PORT doesn't block it. By default any free port of 127.0.0.1, or 7861 with "
        "PODLINE_RUNTIME=kubernetes.",
        example="7861",
        ge=1,
        le=65535,
    )
    max_connections: PositiveInt = variable(
        "PODLINE_MAX_CONNECTIONS",
        "The maximum number of connections to the public port; fewer if the open-file limit is low.",
        default=1024,
    )
    connections_per_address: PositiveInt = variable(
        "PODLINE_CONNECTIONS_PER_ADDRESS",
        "The maximum number of connections from one client address without a valid key. Raise it for an "
        "office behind one address.",
        default=64,
    )
    public_url: str | None = variable(
        "PODLINE_PUBLIC_URL",
        "The URL at which callers reach the controller, if it differs, for example behind a proxy. "
        "Needs PODLINE_KEYS_FILE: behind a proxy every request comes from this machine.",
        example="https://voice.example.com",
    )
    controller_url: str | None = variable(
        "PODLINE_CONTROLLER_URL",
        "The URL at which bots reach the controller, if not PODLINE_BOTS_PORT of this machine. It must "
        "lead to that port. Required with PODLINE_RUNTIME=kubernetes.",
        example="http://127.0.0.1:7861",
    )
    cors_origins: Annotated[tuple[Origin, ...], COMMA_SEPARATED] = variable(
        "PODLINE_CORS_ORIGINS",
        "Other sites whose pages may call the controller from a browser: comma-separated origins.",
        default=(),
        example="https://shop.example.com",
    )
    trusted_proxies: Annotated[tuple[IpNetwork, ...], COMMA_SEPARATED] = variable(
        "PODLINE_TRUSTED_PROXIES",
        "Proxies in front of the controller: comma-separated addresses or networks. X-Forwarded-For is "
        "trusted only from these; without them all callers behind a proxy count as one address.",
        default=(),
        example="10.0.0.0/8",
    )

    @model_validator(mode="after")
    def _metrics_share_no_port(self) -> Self:
        if self.metrics_port == self.port:
            raise ValueError("PODLINE_METRICS_PORT: leave it out to have /metrics on PODLINE_PORT as well")
        return self

    @property
    def url_for_callers(self) -> str:
        return self.public_url or self._own_url(self.port)

    @property
    def host_for_callers(self) -> str:
        """Return the host's name in the callers' URL."""
        return urlsplit(self.url_for_callers).hostname or ""

    @property
    def url_for_bots(self) -> str:
        return self.controller_url or self._own_url(self.bots_port or self.port)

    def _own_url(self, port: int) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"
