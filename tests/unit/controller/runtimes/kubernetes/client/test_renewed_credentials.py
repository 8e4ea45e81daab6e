"""Credentials are read again where they come from as soon as they are refused."""

from __future__ import annotations

import asyncio
import base64
import stat
import sys
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.api import Api
from controller.runtimes.kubernetes.client.errors import ApiRefused, ApiUnreachable, ConfigurationInvalid
from testing.fakes.controllers.clockwork import at_once_with_sockets
from testing.fakes.kubernetes.api_server import ApiServer, serve_api
from testing.fakes.kubernetes.kubeconfig import write_kubeconfig
from tests.unit.controller.runtimes.kubernetes.serving import JOBS, api_to

JOB: Final = {"metadata": {"name": "a", "labels": {}}}


async def refusal(server: ApiServer, method: str = "GET", path: str = JOBS, **request: Any) -> ApiRefused:
    async with api_to(server) as api:
        with pytest.raises(ApiRefused) as caught:
            await api.request(method, path, **request)
    return caught.value


@at_once_with_sockets
async def test_a_token_file_that_has_been_rewritten_is_read_again_once(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    async with serve_api(ApiServer(tokens={"first"})) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, tokenFile=str(token))
        async with Api(Access(str(config))) as api:
            await api.request("GET", JOBS)
            token.write_text("second")
            server.tokens = {"second"}
            await asyncio.gather(*(api.request("GET", JOBS) for _ in range(5)))
            await api.request("GET", JOBS)

        # Five were refused at one time, and renewed once.
        assert [each.token for each in server.asked] == ["first"] * 6 + ["second"] * 6


@at_once_with_sockets
async def test_credentials_that_stay_refused_are_not_tried_again() -> None:
    async with serve_api(ApiServer(tokens=set())) as server:
        error = await refusal(server)

        assert len(server.asked) == 1
        assert (error.status, error.may_pass) == (401, False)
        assert str(error) == "The API server does not accept the controller's credentials (401). Renew them."


@at_once_with_sockets
async def test_a_stream_that_is_open_outlives_a_renewal(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    async with serve_api(ApiServer(tokens={"first"})) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, tokenFile=str(token))
        query = {"watch": "true", "resourceVersion": "1", "timeoutSeconds": 100}
        async with (
            Api(Access(str(config))) as api,
            api.stream("GET", JOBS, query=query, timeout=aiohttp.ClientTimeout(total=None)) as answer,
        ):
            token.write_text("second")
            server.tokens = {"second"}
            await api.request("POST", JOBS, body=JOB)

            assert b'"ADDED"' in await answer.content.readline()


def plugin(tmp_path: Path, script: str) -> dict[str, Any]:
    """An exec plugin: a little script whose output is its credential."""
    path = tmp_path / "plugin"
    path.write_text(f"#!{sys.executable} -S\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"command": str(path), "apiVersion": "client.authentication.k8s.io/v1"}


COUNTING: Final = """
import json, pathlib
count = pathlib.Path(__file__).with_name("count")
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
if number in {failing}:
    raise SystemExit(1)
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                  "status": {{"token": f"token-{{number}}"}}}}))
"""


async def test_a_plugin_that_gives_another_token_each_time_is_asked_again(tmp_path: Path) -> None:
    async with serve_api(ApiServer(tokens={"token-1"})) as server:
        config = write_kubeconfig(
            tmp_path / "config", server.url, exec=plugin(tmp_path, COUNTING.format(failing=[]))
        )
        async with Api(Access(str(config))) as api:
            await api.request("GET", JOBS)
            server.tokens = {"token-2"}
            await api.request("GET", JOBS)

        assert [each.token for each in server.asked] == ["token-1", "token-1", "token-2"]


async def test_a_plugin_that_fails_once_does_not_make_us_nobody(tmp_path: Path) -> None:
    async with serve_api(ApiServer(tokens={"token-1"})) as server:
        config = write_kubeconfig(
            tmp_path / "config", server.url, exec=plugin(tmp_path, COUNTING.format(failing=[2]))
        )
        async with Api(Access(str(config))) as api:
            await api.request("GET", JOBS)
            server.tokens = {"token-3"}
            with pytest.raises(ApiRefused):
                await api.request("GET", JOBS)

            # Without a token the API server takes us for system:anonymous, whom it forbids everything.
            assert "" not in {each.token for each in server.asked}
            await api.request("GET", JOBS)


async def test_certificates_that_can_not_be_used_are_complained_of(tmp_path: Path) -> None:
    nonsense = base64.b64encode(b"no certificate").decode()
    user = {"client-certificate-data": nonsense, "client-key-data": nonsense}
    config = write_kubeconfig(tmp_path / "config", "https://127.0.0.1:1", **user)

    with pytest.raises(ConfigurationInvalid, match=r"The cluster's certificates can't be used: .*\.$"):
        await Api(Access(str(config))).__aenter__()


@at_once_with_sockets
async def test_a_write_is_not_sent_again_by_a_controller_that_is_not_the_leader_any_more(
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    async with serve_api(ApiServer(tokens={"second"})) as server:
        config = write_kubeconfig(tmp_path / "config", server.url, tokenFile=str(token))
        async with Api(Access(str(config)), may_write=lambda: not server.asked) as api:
            token.write_text("second")
            with pytest.raises(ApiUnreachable, match="not the leader"):
                await api.request("POST", JOBS, body=JOB)

        assert [each.token for each in server.asked] == ["first"]
        assert server.objects.all("jobs", "podline") == []
