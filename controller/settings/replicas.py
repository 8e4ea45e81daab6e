"""Where other controllers of the installation reach this one."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator

from controller.settings.variables import Group, variable


def _ip_address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("set the IP address of this pod, such as 10.0.0.5") from None
    if address.is_unspecified:
        raise ValueError("others can't reach this address; set the IP address of this pod")
    return str(address)


IpAddress = Annotated[str, AfterValidator(_ip_address)]


class ReplicaSettings(Group):
    """Several controllers."""

    address: IpAddress | None = variable(
        "PODLINE_REPLICA_ADDRESS",
        "The IP address at which other controllers of this installation reach this one; in a cluster, that "
        "of its pod. One of them leads, and the others pass requests on to it. By default this is the only "
        "controller. Needs PODLINE_RUNTIME=kubernetes, and the same PODLINE_SECRET for all of them.",
    )
    port: int = variable(
        "PODLINE_REPLICAS_PORT",
        "The port for requests that other controllers pass on, on PODLINE_HOST. Nothing else is answered "
        "there. Only open if PODLINE_REPLICA_ADDRESS is set.",
        default=7862,
        ge=1,
        le=65535,
    )

    @property
    def reached_at(self) -> str | None:
        """The address and port for other controllers; None if this is the only one."""
        if self.address is None:
            return None
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"
