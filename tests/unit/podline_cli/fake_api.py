"""A controller's API over a real socket, with sessions, logs and agents that a test sets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HASH = "5c0f3d9a" * 8


def session(session_id: str = "cart-7f3a", **fields: Any) -> dict[str, Any]:
    """A session as the API shows it, after a call of a minute."""
    return {
        "id": session_id,
        "user_id": "ana",
        "agent": "shopping",
        "agent_version": "1-5c0f3d9a",
        "phase": "ended",
        "reason": "caller_left",
        "message": "The caller left the call.",
        "caller_message": "The call has ended.",
        "room": {"provider": "webrtc", "url": "http://127.0.0.1/offer", "token": None},
        "timeline": {
            "accepted": "2026-11-30T09:15:02.418000Z",
            "launched": "2026-11-30T09:15:02.431000Z",
            "scheduled": "2026-11-30T09:15:02.431000Z",
            "process_up": "2026-11-30T09:15:02.905000Z",
            "joined": "2026-11-30T09:15:03.620000Z",
            "caller_joined": "2026-11-30T09:15:04.107000Z",
            "first_speech": "2026-11-30T09:15:04.893000Z",
            "ended": "2026-11-30T09:16:04.893000Z",
        },
        "usage": {
            "models": {"gemini-live": {"prompt_tokens": 2140, "completion_tokens": 612}},
            "services": {},
            "turns": 4,
            "interruptions": 1,
            "tool_calls": {"search_products": {"ok": 2, "error": 1}},
            "talk_seconds": {"caller": 11.4, "bot": 26.9},
            "partial": False,
        },
        "turns_unanswered": 0,
        "cost": {
            "currency": "USD",
            "amount": 0.0125,
            "models": {"gemini-live": 0.0125},
            "services": {},
            "unpriced_models": [],
        },
        "persona": None,
        "max_duration_seconds": 1800,
        "budget": {"tokens": None, "cost": None},
        "created_at": "2026-11-30T09:15:02.418000Z",
        "metadata": {},
        "diagnostics": None,
    } | fields


def version(serial: int) -> dict[str, Any]:
    return {
        "id": f"{serial}-5c0f3d9a",
        "serial": serial,
        "hash": HASH,
        "deployed_at": "2026-11-30T09:00:00Z",
        "definition": {"image": "shop:1"},
    }


def agent(name: str = "shopping", **fields: Any) -> dict[str, Any]:
    """An agent as the API shows it, without calls."""
    return {
        "name": name,
        "version": version(1),
        "problem": None,
        "notes": [],
        "sessions": {"starting": 0, "live": 0, "stopping": 0},
        "defined_by": None,
        "deploying": False,
    } | fields


@dataclass
class Answer:
    """What is sent for a request."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class SeenRequest:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


def problem(status: int, code: str, detail: str) -> Answer:
    return Answer(status, {"title": code, "status": status, "detail": detail, "code": code})


def cloud_error(status: int, code: str, error: str) -> Answer:
    """An error of the routes that Pipecat Cloud's clients use."""
    return Answer(status, {"error": error, "code": code})


@dataclass
class FakeApi:
    """The state behind the API, and what it was asked.

    Attributes:
        secret_sets: the values of each set by name.
        most_of_a_set: how many variables one may have.
        dry_start: the agent's `problem` once a deployment is decided; None if its bot starts.
        polls: after how many questions it is.
        answers: what is sent in place of an answer, by method and path.
        held: what each followed log begins with, before it waits for `release`.
    """

    url: str = ""
    key: str | None = None
    sessions: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, bytes] = field(default_factory=dict)
    agents: dict[str, dict[str, Any]] = field(default_factory=dict)
    secret_sets: dict[str, dict[str, str]] = field(default_factory=dict)
    most_of_a_set: int = 100
    draining: bool = False
    dry_start: str | None = None
    polls: int = 1
    answers: dict[tuple[str, str], Answer] = field(default_factory=dict)
    seen: list[SeenRequest] = field(default_factory=list)
    held: bytes | None = None
    release: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: SeenRequest) -> Answer:  # noqa: PLR0911 - one for each operation
        """Do what the request asks for."""
        address = urlsplit(request.path)
        if given := self.answers.get((request.method, address.path)):
            return given
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "unauthorized", "A valid key is required.")
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        match [request.method, *map(unquote, address.path.strip("/").split("/"))]:
            case ["GET", "v1", "sessions"]:
                return self._page(query)
            case ["GET", "v1", "sessions", session_id]:
                return self._session(session_id)
            case ["GET", "v1", "sessions", session_id, "logs"]:
                return Answer(body=self.logs.get(session_id, b""))
            case ["DELETE", "v1", "sessions", session_id]:
                return self._stopped(session_id)
            case [method, "v1", "agents", *names]:
                return self._of_agents(method, names, request.body)
            case ["PUT" | "GET" as method, "v1", "drain"]:
                return self._drain(method, request.body)
            case [method, "v1", "organizations", "podline", "secrets", *names]:
                return self._of_secret_sets(method, names, request.body)
        return problem(404, "not_found", "There is nothing at this address.")

    def _page(self, query: dict[str, str]) -> Answer:
        filters = {name: query[name] for name in ("phase", "user_id", "agent") if name in query}
        found = [each for each in self.sessions if filters.items() <= each.items()]
        begin, limit = int(query.get("cursor", 0)), int(query["limit"])
        rest = begin + limit < len(found)
        return Answer(
            body={
                "sessions": found[begin : begin + limit],
                "next_cursor": str(begin + limit) if rest else None,
            }
        )

    def _session(self, session_id: str) -> Answer:
        for each in self.sessions:
            if each["id"] == session_id:
                return Answer(body=each)
        return problem(404, "session_not_found", f"There is no session {session_id!r}.")

    def _stopped(self, session_id: str) -> Answer:
        found = self._session(session_id)
        if found.status == 200 and found.body["phase"] not in ("ended", "failed"):
            found.body["phase"] = "stopping"
            return Answer(202, found.body)
        return found

    def _of_agents(self, method: str, names: list[str], body: Any) -> Answer:
        if not names:
            return Answer(body={"agents": [*self.agents.values()]})
        name, *rest = names
        if method == "PUT":
            found = self.agents.setdefault(name, agent(name, version=None))
            found["deploying"] = True
            return Answer(202, dict(found))
        if name not in self.agents:
            return problem(404, "agent_not_found", f"There is no agent {name!r}.")
        found = self.agents[name]
        match (method, rest):
            case ("DELETE", []):
                del self.agents[name]
                return Answer(204)
            case ("POST", ["rollback"]):
                found["version"] = version(int((body["version"] or "1").partition("-")[0]))
        if found["deploying"]:
            self.polls -= 1
            if self.polls <= 0:
                serial = (found["version"] or {"serial": 0})["serial"]
                found |= {"deploying": False, "problem": self.dry_start}
                found["version"] = found["version"] if self.dry_start else version(serial + 1)
        return Answer(body=found)

    def _of_secret_sets(self, method: str, names: list[str], body: Any) -> Answer:
        if not names:
            kind = {"type": "secretSet", "updatedAt": "2026-11-30T09:00:00Z"}
            return Answer(body={"sets": [{"name": name, **kind} for name in self.secret_sets]})
        name, *keys = names
        if method == "PUT" and len(self.secret_sets.get(name, {})) >= self.most_of_a_set:
            detail = f"A set has at most {self.most_of_a_set} variables."
            return cloud_error(422, "invalid_request", detail)
        if method == "PUT":
            self.secret_sets.setdefault(name, {})[body["secretKey"]] = body["secretValue"]
            return Answer(body={"region": "podline"})
        found = self.secret_sets.get(name)
        if found is None or not found.keys() >= set(keys):
            return cloud_error(404, "secret_set_not_found", f"There is no secret set {name!r}.")
        if method == "GET":
            return Answer(body={"secrets": [{"fieldName": each} for each in found]})
        self.secret_sets[name] = {each: value for each, value in found.items() if keys and each not in keys}
        self.secret_sets = {each: values for each, values in self.secret_sets.items() if values}
        return Answer(body={"deleted": keys[0] if keys else name})

    def _drain(self, method: str, body: Any) -> Answer:
        if method == "PUT":
            self.draining = body["draining"]
        running = [each for each in self.sessions if each["phase"] == "live"]
        answer = {"draining": self.draining, "sessions": len(running)}
        if running:  # the last call of each ends meanwhile
            running[0]["phase"] = "ended"
        return Answer(body=answer)


@contextmanager
def serve(api: FakeApi) -> Iterator[FakeApi]:
    """Serve the API on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = SeenRequest(self.command, self.path, headers, json.loads(content) if content else None)
            api.seen.append(request)
            if api.held is not None and "follow" in self.path:
                self._hold(api.held)
                return
            answer = api.answer(request)
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            body = b"" if answer.status == 204 else body
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # the client has read enough
                self.wfile.write(body)

        def _hold(self, first: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(first)
            self.wfile.flush()
            api.release.wait()

        do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            api.release.set()
            server.shutdown()
            thread.join()
