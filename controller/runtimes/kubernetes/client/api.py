"""Requests to the API server. The client package configures, authenticates and transports; bytes stay raw."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Self, TypeAlias, TypeVar

import aiohttp
import msgspec
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config import ConfigException

from controller.runtimes.kubernetes.client.access import Access
from controller.runtimes.kubernetes.client.errors import (
    ApiRefused,
    ApiUnreachable,
    ConfigurationInvalid,
    readable,
)
from controller.runtimes.kubernetes.client.objects import Status

T = TypeVar("T")

Body: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""An object, or the operations of a JSON patch."""

Answered = Callable[[str, Mapping[str, Any], int | None, float], None]
"""Called for each request: method, query, the answer's status (None without one), seconds until it began."""

DRY_RUN: Final = {"dryRun": "All"}
"""The query of a write that is only checked."""

REQUEST_SECONDS: Final = 10.0
"""For one response, including a page of a list."""

_CONNECT_SECONDS: Final = 5.0
_MERGE_PATCH: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_CONNECTIONS: Final = 100
"""Concurrent connections: for starts that arrive together, two watches, and logs being read."""


def always() -> bool:
    """Return True: the only controller may always write."""
    return True


class Api:
    """One API server. Use it while its `async with` lasts."""

    def __init__(
        self, access: Access, answered: Answered | None = None, may_write: Callable[[], bool] = always
    ) -> None:
        """Send nothing yet.

        Args:
            access: finds address and credentials.
            answered: called for each request that was sent.
            may_write: returns whether this controller is the leader. If it isn't, writes are refused here.
        """
        self._access = access
        self._answered = answered
        self._may_write = may_write
        self._client: ApiClient | None = None
        self._retired: ApiClient | None = None
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._client = await self._connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        clients = (self._client, self._retired)
        self._client = self._retired = None
        for client in clients:
            if client is not None:
                await client.close()

    async def read(self, method: str, path: str, kind: type[T], **request: Any) -> T:
        """Make one request and decode its answer. Raises as `request` does."""
        content = await self.request(method, path, **request)
        with readable():
            return msgspec.json.decode(content, type=kind)

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
    ) -> bytes:
        """Make one request and return its whole answer.

        Raises:
            ApiRefused: the API server answered with an error.
            ApiUnreachable: it did not answer, or was not asked, because only the leader may write.
        """
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, connect=_CONNECT_SECONDS)
        async with self.stream(method, path, query=query, body=body, timeout=timeout) as answer:
            return await answer.read()

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, with one for each read
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a response to be read in pieces. Raises as `request` does, even while it is read."""
        try:
            client = self._open_client()
            answer = await self._send(client, method, path, query, body, timeout)
            if answer.status == 401:
                await self._renew(client)
                if client is not self._client:
                    answer.release()
                    answer = await self._send(self._open_client(), method, path, query, body, timeout)
            async with answer:
                if answer.status >= 400:
                    raise await _refused(answer)
                yield answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ApiUnreachable(
                f"The API server can't be reached: {_cause(error)}.", is_certain=True
            ) from error
        except TimeoutError as error:
            raise ApiUnreachable("The API server did not answer in time.", is_certain=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiUnreachable("The connection to the API server broke.", is_certain=False) from error

    async def _send(
        self,
        client: ApiClient,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Body | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own, with one for each read
    ) -> aiohttp.ClientResponse:
        """Send one request and report how it was answered."""
        url, headers = await _prepared(client, method, path, query, body)
        if _is_write(method, query) and not self._may_write():
            raise ApiUnreachable(
                "This controller is not the leader, so it wrote nothing to the API server.", is_certain=True
            )
        now = asyncio.get_running_loop().time
        began = now()
        status: int | None = None
        try:
            answer = await client.call_api(method, url, headers, body, _request_timeout=timeout)
            status = answer.status
        finally:
            if self._answered is not None:
                self._answered(method, query or {}, status, now() - began)
        response: aiohttp.ClientResponse = answer.response
        return response

    def _open_client(self) -> ApiClient:
        if self._client is None:
            raise ApiUnreachable("The connection to the API server is not open.", is_certain=True)
        return self._client

    async def _renew(self, used: ApiClient) -> None:
        """Read the credentials again, because those of this client were refused."""
        async with self._renewing:
            # Several requests may be refused at the same time. The first of them renews the credentials.
            if self._client is not used:
                return
            try:
                fresh = await self._connect()
            except ConfigurationInvalid as error:
                raise ApiRefused(401, "Unauthorized", str(error)) from error
            if _credentials(fresh) == _credentials(used):
                await fresh.close()
                return
            self._client = fresh
            # Its open requests, above all watches, continue until the next renewal.
            former, self._retired = self._retired, used
            if former is not None:
                await former.close()

    async def _connect(self) -> ApiClient:
        configuration = await self._access.configuration()
        configuration.connection_pool_maxsize = _CONNECTIONS
        try:
            client = ApiClient(configuration)
        except OSError as error:
            raise ConfigurationInvalid(
                f"The cluster's certificates can't be used: {error.strerror or error}."
            ) from error
        client.user_agent = "podline"
        return client


def _is_write(method: str, query: Mapping[str, Any] | None) -> bool:
    return method != "GET" and (query or {}).get("dryRun") != DRY_RUN["dryRun"]


async def _prepared(
    client: ApiClient, method: str, path: str, query: Mapping[str, Any] | None, body: Body | None
) -> tuple[str, dict[str, str]]:
    """Return the URL and headers of a request, with its credentials."""
    headers = {"Accept": "application/json"}
    if method == "PATCH":
        headers["Content-Type"] = _MERGE_PATCH if isinstance(body, Mapping) else _JSON_PATCH
    try:
        _, url, headers, _, _ = await client.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            auth_settings=["BearerToken"],
        )
    except (ConfigException, OSError, ValueError) as error:
        raise ApiUnreachable(f"Our credentials can't be read: {_cause(error)}.", is_certain=True) from error
    return url, headers


def _credentials(client: ApiClient) -> tuple[Any, ...]:
    """Return the credentials that identify a client. Files are named after their content."""
    shown = client.configuration
    return dict(shown.api_key), shown.cert_file, shown.key_file


async def _refused(answer: aiohttp.ClientResponse) -> ApiRefused:
    content = await answer.read()
    status = Status()
    with suppress(ApiUnreachable), readable():
        status = msgspec.json.decode(content, type=Status)
    message = status.message or f"the API server answered {answer.status}"
    return ApiRefused(answer.status, status.reason, message, _seconds(answer.headers.get("Retry-After")))


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdigit() else None


def _cause(error: BaseException) -> str:
    """Return what happened, in the operating system's words if it has any; never what was sent."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
