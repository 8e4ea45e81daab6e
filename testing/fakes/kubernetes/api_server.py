"""A loopback API server: lists in pages, watches, writes and refuses as a real one; misbehaves on request.

It serves Jobs, pods, Secrets and events out of an `Objects`. Nothing in it acts on Jobs: see `cluster.py`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from aiohttp import web

from testing.fakes.kubernetes.api_objects import (
    KINDS,
    Objects,
    RefusalError,
    Thing,
    field_selector,
    label_selector,
)

How = Literal["refuse", "reset_before", "reset_after", "late", "wait", "hang", "silent", "raw", "cut", "end"]

LATE_SECONDS: Final = 5.0
NAMESPACES: Final = "/api/v1/namespaces/"
MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass
class ApiFault:
    """What goes wrong with the next requests that fit.

    Attributes:
        how: `refuse` with an error; `reset_before` or `reset_after` it had its effect; `late` hangs up and it
            has its effect some seconds later; `hang` for good.
            Of a watch: `silent` keeps it open and says nothing; `raw` sends the body and goes on;
            `cut` sends the body and breaks in the middle of a chunk; `end` ends it at once.
        path: how the path ends.
        watch: whether it is a watch; None fits both.
        after: how many that fit go well before.
        let_go: ends the waiting.
    """

    how: How
    method: str = ""
    path: str = ""
    watch: bool | None = None
    after: int = 0
    times: int = 1
    status: int = 500
    reason: str = "InternalError"
    message: str = "it failed"
    retry_after: int | str | None = None
    body: bytes = b""
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    def strikes(self, asked: ApiRequest) -> bool:
        """Whether it is this request that goes wrong; counts those that fit."""
        fits = (
            self.times > 0
            and self.method in ("", asked.method)
            and asked.path.endswith(self.path)
            and self.watch in (None, asked.is_watch)
        )
        if fits and self.after > 0:
            self.after -= 1
            return False
        self.times -= fits
        return fits


@dataclass(frozen=True)
class ApiRequest:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    token: str

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"

    @property
    def is_list(self) -> bool:
        return self.method == "GET" and not self.is_watch and self.path.rpartition("/")[2] in KINDS


@dataclass
class ApiServer:
    """See the module. `tokens` are those that are accepted, None accepts all."""

    objects: Objects = field(default_factory=Objects)
    tokens: set[str] | None = None
    asked: list[ApiRequest] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    url: str = ""
    _faults: list[ApiFault] = field(default_factory=list)
    _pages: dict[str, tuple[int, list[Thing]]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _closing: asyncio.Event = field(default_factory=asyncio.Event)

    def misbehave(self, how: How, **what: Any) -> ApiFault:
        """Make the next matching request fail. Faults are used up in the order in which they were added."""
        fault = ApiFault(how, **what)
        self._faults.append(fault)
        return fault

    def behave(self) -> None:
        self._faults.clear()

    def lists(self, kind: str) -> list[ApiRequest]:
        return [each for each in self.asked if each.is_list and each.path.endswith(f"/{kind}")]

    def watches(self, kind: str) -> list[ApiRequest]:
        return [each for each in self.asked if each.is_watch and each.path.endswith(f"/{kind}")]

    async def until_asked(self, fits: Callable[[ApiRequest], bool], times: int = 1) -> None:
        """Wait until that many requests have come that fit, from the first one on."""
        while sum(map(fits, self.asked)) < times:
            await self._news.wait()

    # --- serving ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = ApiRequest(request.method, request.path, dict(request.query), token)
        self.asked.append(asked)
        self._news.set()
        self._news = asyncio.Event()
        fault = next((each for each in self._faults if each.strikes(asked)), None)
        try:
            if self.tokens is not None and token not in self.tokens:
                return _refused(RefusalError(401, "Unauthorized", "Unauthorized"))
            if fault is None:
                return await self._do(asked, request)
            return await self._go_wrong(fault, asked, request)
        except RefusalError as refusal:
            return _refused(refusal)

    async def _go_wrong(self, fault: ApiFault, asked: ApiRequest, request: web.Request) -> web.StreamResponse:
        if fault.how == "refuse" and fault.body:
            return web.Response(status=fault.status, body=fault.body)
        if fault.how == "refuse":
            raise RefusalError(fault.status, fault.reason, fault.message, fault.retry_after)
        if fault.how == "wait":
            await fault.let_go.wait()
            return await self._do(asked, request)
        if fault.how == "reset_after":
            await self._do(asked, request)
        if fault.how == "late" and asked.method != "GET":
            body = json.loads(await request.text() or "{}")
            asyncio.get_running_loop().call_later(LATE_SECONDS, self._do_at_last, asked, body)
        if fault.how.startswith("reset") or fault.how == "late":
            return _hang_up(request)
        if fault.how == "hang":
            await self._closing.wait()
            return _hang_up(request)
        return await self._watch(asked, request, fault)

    async def _do(self, asked: ApiRequest, request: web.Request) -> web.StreamResponse:
        if asked.method == "GET" and asked.path.startswith(NAMESPACES) and asked.path.count("/") == 4:
            return web.json_response(self.objects.namespace(asked.path.removeprefix(NAMESPACES)))
        namespace, kind, name, part = _place(asked.path)
        if part == "log":
            return self._log(namespace, name)
        if asked.is_watch:
            return await self._watch(asked, request, None)
        if asked.method == "GET":
            return web.json_response(self.objects.get(kind, namespace, name) if name else self._list(asked))
        if asked.method == "PATCH":
            assert request.content_type == MERGE_PATCH
        written = self._write(asked, json.loads(await request.text() or "{}"))
        return web.json_response(written, status=201 if asked.method == "POST" else 200)

    def _write(self, asked: ApiRequest, body: Thing) -> Thing:
        namespace, kind, name, _ = _place(asked.path)
        if asked.method == "POST":
            is_tried = asked.query.get("dryRun") == "All"
            return self.objects.create(kind, namespace, body, dry_run=is_tried)
        if asked.method == "PATCH":
            return self.objects.patch(kind, namespace, name, body)
        if asked.method == "PUT":
            return self.objects.replace(kind, namespace, name, body)
        return self._delete(kind, namespace, name, body)

    def _do_at_last(self, asked: ApiRequest, body: Thing) -> None:
        with suppress(RefusalError):
            self._write(asked, body)

    def _delete(self, kind: str, namespace: str, name: str, body: Thing) -> Thing:
        thing = self.objects.get(kind, namespace, name)
        self.objects.check(kind, namespace, name, body.get("preconditions", {}))
        runs = thing.get("spec", {}).get("nodeName") and thing["status"]["phase"] in ("Pending", "Running")
        if kind == "pods" and runs and body.get("gracePeriodSeconds") != 0:
            # Its node ends it, then it goes.
            at = {"metadata": {"deletionTimestamp": "2026-01-01T12:00:00Z"}}
            return self.objects.patch(kind, namespace, name, at)
        return self.objects.delete(kind, namespace, name)

    def _list(self, asked: ApiRequest) -> Thing:
        version, items = self.objects.version, self._selected(asked)
        if token := asked.query.get("continue"):
            if token not in self._pages:
                raise RefusalError(410, "Expired", "The provided continue parameter is too old")
            version, items = self._pages.pop(token)
        limit = int(asked.query.get("limit", 0)) or len(items)
        metadata: Thing = {"resourceVersion": str(version)}
        if rest := items[limit:]:
            metadata |= {"continue": uuid.uuid4().hex, "remainingItemCount": len(rest)}
            self._pages[metadata["continue"]] = version, rest
        return {"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items[:limit]}

    def _selected(self, asked: ApiRequest) -> list[Thing]:
        namespace, kind, _, _ = _place(asked.path)
        fits = field_selector(asked.query.get("fieldSelector", ""))
        things = self.objects.all(kind, namespace, label_selector(asked.query.get("labelSelector", "")))
        return [thing for thing in things if fits(thing)]

    def _log(self, namespace: str, name: str) -> web.Response:
        self.objects.get("pods", namespace, name)
        if name not in self.logs:
            raise RefusalError(400, "BadRequest", f'container "bot" in pod "{name}" is waiting to start')
        return web.Response(text=self.logs[name])

    async def _watch(
        self, asked: ApiRequest, request: web.Request, fault: ApiFault | None
    ) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        if fault is not None and fault.body:
            await answer.write(fault.body)
        if fault is not None and fault.how == "cut":
            assert request.transport is not None
            request.transport.write(b"40\r\n{")
            return _hang_up(request, gently=True)
        if fault is not None and fault.how == "end":
            return answer
        if fault is not None and fault.how == "silent":
            await self._closing.wait()
            return _hang_up(request)
        version = int(asked.query["resourceVersion"])
        if version < self.objects.expired:
            gone = RefusalError(
                410, "Expired", f"too old resource version: {version} ({self.objects.expired})"
            )
            await answer.write(_line("ERROR", gone.body))
            return answer
        try:
            async with asyncio.timeout(int(asked.query["timeoutSeconds"])):
                await self._tell(asked, answer, version)
        except ConnectionError:
            return answer
        except TimeoutError:
            if asked.query.get("allowWatchBookmarks") == "true":
                await answer.write(_line("BOOKMARK", {"metadata": _version(self.objects.version)}))
        return answer

    async def _tell(self, asked: ApiRequest, answer: web.StreamResponse, version: int) -> None:
        _, kind, _, _ = _place(asked.path)
        selector = label_selector(asked.query.get("labelSelector", ""))
        while not self._closing.is_set():
            for change in list(self.objects.since(version, kind)):
                version = change.version
                if (event := change.seen_by(selector)) is not None:
                    await answer.write(_line(*event))
            if not any(self.objects.since(version, kind)):
                await self.objects.change()

    def close(self) -> None:
        self._closing.set()


@asynccontextmanager
async def serve_api(server: ApiServer | None = None, port: int = 0) -> AsyncIterator[ApiServer]:
    """Serve until the end of the block. What hangs then is cut."""
    server = server or ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.close()
        await runner.cleanup()


def _place(path: str) -> tuple[str, str, str, str]:
    """Return namespace, kind, name and part of a path; empty if missing."""
    _, _, rest = path.partition("/namespaces/")
    namespace, kind, name, part, *_ = [*rest.split("/"), "", "", ""]
    if kind not in KINDS:
        raise RefusalError(404, "NotFound", "the server could not find the requested resource")
    return namespace, kind, name, part


def _refused(refusal: RefusalError) -> web.Response:
    headers = {} if refusal.retry_after is None else {"Retry-After": str(refusal.retry_after)}
    return web.json_response(refusal.body, status=refusal.status, headers=headers)


def _hang_up(request: web.Request, *, gently: bool = False) -> web.Response:
    """Close the connection: with a reset, or after what was written."""
    if request.transport is not None:
        (request.transport.close if gently else request.transport.abort)()
    return web.Response()


def _line(kind: str, thing: Thing) -> bytes:
    return json.dumps({"type": kind, "object": thing}).encode() + b"\n"


def _version(version: int) -> Thing:
    return {"resourceVersion": str(version), "creationTimestamp": None}
