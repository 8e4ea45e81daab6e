"""The id of an installation in a cluster: its namespace's, however many controllers there are."""

from __future__ import annotations

import asyncio

import pytest

from controller.core.errors import RuntimeUnavailable
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_objects import Objects
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from tests.unit.controller.runtimes.kubernetes.serving import following

PREFIX = "Bots can't be launched or watched right now. "
NAMESPACE = "/api/v1/namespaces/podline"
FORBIDDEN = (
    'namespaces "podline" is forbidden: User "system:serviceaccount:podline:podline-controller" cannot get '
    'resource "namespaces" in API group "" in the namespace "podline"'
)


@at_once_with_sockets
async def test_controllers_of_a_namespace_share_it_and_others_have_another() -> None:
    server = ApiServer(Objects(namespaces={"podline", "another"}))
    async with (
        serve_api(server),
        following(server) as one,
        following(server) as restarted,
        following(server, namespace="another") as other,
    ):
        ids = [each.runtime.installation_id() for each in (one, restarted, other)]

    assert ids[0] == ids[1] != ids[2]
    assert all(len(each) == 10 and int(each, 16) >= 0 for each in ids)


@pytest.mark.parametrize(
    ("status", "message", "body", "said"),
    [
        (
            403,
            FORBIDDEN,
            b"",
            "The controller may not get namespaces: add `get` on `namespaces` to its Role.",
        ),
        (500, "etcd is away", b"", "The API server answered 500: etcd is away."),
        (
            200,
            "",
            b'{"metadata": {"name": "podline"}}',
            "The API server's answer can't be read: the namespace",
        ),
        (200, "", b'{"metadata": {"uid": 1}}', "The API server's answer can't be read: "),
        (200, "", b"{}", "The API server's answer can't be read: "),
    ],
)
@at_once_with_sockets
async def test_without_it_the_controller_is_not_ready_and_says_why_until_it_is(
    status: int, message: str, body: bytes, said: str
) -> None:
    async with serve_api() as server:
        fault = server.misbehave(
            "refuse", path=NAMESPACE, times=10**6, status=status, message=message, body=body
        )
        async with following(server, until_ready=False) as followed:
            await asyncio.sleep(5)
            assert (followed.runtime.not_ready_reason() or "").startswith(f"{PREFIX}{said}")
            with pytest.raises(RuntimeUnavailable):
                followed.runtime.installation_id()
            fault.times = 0

            await followed.until(lambda: followed.runtime.not_ready_reason() is None)
            assert len(followed.runtime.installation_id()) == 10


@at_once_with_sockets
async def test_a_namespace_that_is_lost_later_leaves_it_as_it_was() -> None:
    async with serve_api() as server, following(server) as followed:
        before = followed.runtime.installation_id()
        server.objects.namespaces.clear()
        await asyncio.sleep(60)

        assert followed.runtime.installation_id() == before
