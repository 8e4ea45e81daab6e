"""What several controllers need, and how they reach each other."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from pydantic import ValidationError

from controller.settings.settings import complaint_about
from controller.web.http.listeners import bind
from testing.processes import free_port
from testing.settings import settings_of

CLUSTER: dict[str, Any] = {
    "runtime": "kubernetes",
    "job_template": "job.yaml",
    "controller_url": "http://podline:7861",
    "secret": "a secret for tests",
}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica_address": "podline-0"}, "PODLINE_REPLICA_ADDRESS: set the IP address of this pod, "),
        ({"replica_address": "10.0.0.5:7862"}, "PODLINE_REPLICA_ADDRESS: set the IP address of this pod, "),
        ({"replica_address": "0.0.0.0"}, "PODLINE_REPLICA_ADDRESS: others can't reach this address; "),
        ({"replicas_port": 0}, "PODLINE_REPLICAS_PORT: Input should be greater than or equal to 1."),
        (
            {"replica_address": "10.0.0.5", "runtime": "local", "controller_url": ""},
            "PODLINE_REPLICA_ADDRESS needs PODLINE_RUNTIME=kubernetes: ",
        ),
        ({"replica_address": "10.0.0.5", "secret": ""}, "PODLINE_REPLICA_ADDRESS needs PODLINE_SECRET: "),
        *(
            ({"replica_address": "10.0.0.5", name: 7000, "replicas_port": 7000}, "PODLINE_REPLICAS_PORT: ")
            for name in ("port", "bots_port", "metrics_port")
        ),
        ({"replica_address": "10.0.0.5", "replicas_port": 7861}, "PODLINE_REPLICAS_PORT: other controllers "),
    ],
)
def test_what_several_controllers_need_is_said(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(**CLUSTER | values)
    assert complaint_about(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("address", "reached_at"), [("10.0.0.5", "10.0.0.5:7862"), ("FD00::5", "[fd00::5]:7862")]
)
def test_an_address_is_written_as_in_a_url(address: str, reached_at: str) -> None:
    assert settings_of(**CLUSTER, replica_address=address).replicas.reached_at == reached_at


def test_without_an_address_there_is_no_port_for_others() -> None:
    settings = settings_of(port=free_port(), replicas_port=7860)
    sockets = bind(settings)
    names = sockets.ports().keys()
    for each in (*sockets.public, *sockets.bots):
        each.close()

    assert settings.replicas.reached_at is None
    assert names == {"public", "bots"}


def test_with_an_address_there_is_one_on_the_host_of_all_listeners() -> None:
    ports = {name: free_port() for name in ("port", "bots_port", "replicas_port")}
    sockets = bind(settings_of(**CLUSTER, **ports, replica_address="10.0.0.5"))
    open_sockets: list[socket.socket] = [*sockets.public, *sockets.bots, *sockets.replicas]
    addresses = [each.getsockname() for each in open_sockets]
    for each in open_sockets:
        each.close()

    assert addresses == [("127.0.0.1", port) for port in ports.values()]
