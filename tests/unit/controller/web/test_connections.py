"""How many connections there may be, and whose."""

from __future__ import annotations

import pytest

from controller.web.clients import one_client
from controller.web.errors import ConnectionsExhausted, TooManyConnections
from controller.web.http.connections import Connections
from controller.web.http.limit_values import (
    HttpLimits,
    most_bot_connections,
    most_public_connections,
    most_replica_connections,
)


def test_an_address_has_so_many_until_it_shows_a_key() -> None:
    connections = Connections(most=10, most_per_address=2)
    first, second = connections.admit("192.0.2.1"), connections.admit("192.0.2.1")
    with pytest.raises(TooManyConnections):
        connections.admit("192.0.2.1")
    connections.admit("192.0.2.2")
    first.identify("ana")
    first.identify("ana")
    third = connections.admit("192.0.2.1")
    second.release()
    third.release()
    first.release()
    first.release()
    assert [connections.admit("192.0.2.1"), connections.admit("192.0.2.1")]


def test_all_together_have_so_many_proxies_included() -> None:
    connections = Connections(most=3, most_per_address=1, trusted=["10.0.0.0/8"])
    last = [connections.admit("10.0.0.1") for _ in range(3)][-1]
    for address in ("10.0.0.1", "192.0.2.1"):
        with pytest.raises(ConnectionsExhausted):
            connections.admit(address)
    last.release()
    assert connections.admit("192.0.2.1").is_stranger


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2:3:4", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
        ("192.0.2.1:x", "unknown"),
    ],
)
def test_one_client_is_an_ipv4_address_or_an_ipv6_network(address: str, client: str) -> None:
    assert one_client(address) == client


@pytest.mark.parametrize(
    ("wanted", "files", "capacity", "public"),
    [
        (1024, None, 20, 1024),
        (1024, 1_048_576, 20, 1024),
        (1024, 1024, 20, 800),
        (100, 1024, 20, 100),
        (1024, 1024, 1000, 256),
        (1024, 96, 20, 24),
        (1024, 2, 20, 1),
    ],
)
def test_the_public_listener_leaves_descriptors_for_bots_and_probes(
    wanted: int, files: int | None, capacity: int, public: int
) -> None:
    assert most_public_connections(wanted, files, capacity) == public
    if files is not None and files > 2:
        assert public + most_bot_connections(files, capacity) < files


def test_other_controllers_have_as_many_as_those_who_ask_them_and_room_for_what_they_add() -> None:
    usual = HttpLimits()
    more = usual.for_replicas()

    assert most_replica_connections(None, 1024, 112) == 1136
    assert most_replica_connections(1024, 800, 112) == 256
    assert (more.fields, more.head_bytes) > (usual.fields, usual.head_bytes)
    assert more.body_bytes == usual.body_bytes


def test_a_connection_that_was_given_up_is_open_no_more() -> None:
    admission = Connections(most=1).admit("192.0.2.1")
    assert admission.is_open
    admission.release()
    assert not admission.is_open
