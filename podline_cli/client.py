"""A client of the controller's API: bounded in size and time, and without redirects."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from podline.contract.version import VERSION
from podline_cli.errors import CommandError, ExitCode
from podline_cli.problems import error_of, invalid_answer, unreachable
from podline_cli.target import ChosenController
from podline_cli.text import split_lines
from podline_cli.urls import is_loopback

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of one answer. A page of 500 sessions has about 2 MB."""

MOST_BYTES_OF_AN_ERROR: Final = 64 * 1024

Answer = TypeVar("Answer", bound=BaseModel)
Query = Mapping[str, str | int | bool]


class Patience(BaseModel, frozen=True):
    """How long to wait for a controller, in seconds."""

    connect: float = 5
    read: float = 30
    whole: float = 60


class Client:
    """Speaks to one controller."""

    def __init__(self, target: ChosenController, patience: Patience | None = None) -> None:
        self.target = target
        self._patience = patience or Patience()
        headers = {"User-Agent": f"podline/{VERSION}", "Accept-Encoding": "identity"}
        if target.key is not None:
            headers["Authorization"] = f"Bearer {target.key}"
        self._http = httpx.Client(
            base_url=target.url,
            headers=headers,
            timeout=httpx.Timeout(self._patience.read, connect=self._patience.connect),
            follow_redirects=False,
            mounts=_without_proxy(target.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        return self._request("GET", path, query=query)

    def put(self, path: str, body: object) -> Any:
        return self._request("PUT", path, body)

    def post(self, path: str, body: object) -> Any:
        return self._request("POST", path, body)

    def delete(self, path: str) -> Any:
        return self._request("DELETE", path)

    def lines(self, path: str, query: Query, *, is_endless: bool) -> Iterator[str]:
        """Yield the lines of a text as they arrive; an endless one may be silent for any time."""
        read = None if is_endless else self._patience.read
        timeout = httpx.Timeout(read, connect=self._patience.connect)
        with self._translated(), self._http.stream("GET", path, params=query, timeout=timeout) as response:
            self._insist_on_success(response)
            yield from split_lines(response.iter_raw())

    def parse(self, model: type[Answer], value: object) -> Answer:
        """Read an answer as what the API describes."""
        try:
            return model.model_validate(value)
        except ValidationError:
            raise invalid_answer(self.target) from None

    def _request(self, method: str, path: str, body: object = None, query: Query | None = None) -> Any:
        with self._translated(), self._http.stream(method, path, params=query, json=body) as response:
            self._insist_on_success(response)
            text = self._read(response, MOST_BYTES)
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError):
            raise invalid_answer(self.target) from None

    def _insist_on_success(self, response: httpx.Response) -> None:
        if not response.is_success:
            raise error_of(response, self._read(response, MOST_BYTES_OF_AN_ERROR), self.target)

    def _read(self, response: httpx.Response, most: int) -> bytes:
        """Return the whole body, unless it is too long or takes too long."""
        deadline = time.monotonic() + self._patience.whole
        content = bytearray()
        for piece in response.iter_raw():
            content += piece
            if len(content) > most:
                raise CommandError(
                    f"{self.target.url} answered with more than {most // 1024} KB, which no controller "
                    f"does: check the URL ({self.target.source}).",
                    code=ExitCode.UNREACHABLE,
                )
            if time.monotonic() > deadline:
                raise httpx.ReadTimeout("the whole answer takes too long")
        return bytes(content)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, self.target) from error


def _without_proxy(url: str) -> Mapping[str, None]:
    """Name this machine's hosts, which no proxy of the environment can reach."""
    host = httpx.URL(url).host
    return {f"all://[{host}]" if ":" in host else f"all://{host}": None} if is_loopback(url) else {}
