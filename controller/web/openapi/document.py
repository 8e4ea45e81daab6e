"""The completion of FastAPI's OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller.core.endings import ending_for
from controller.web.errors import BodyTooLarge, InternalError
from controller.web.openapi.errors import BEFORE_ROUTES, problem_examples
from controller.web.openapi.examples import EXAMPLES
from controller.web.openapi.refusals import REFERENCE, meaning, refusals
from controller.web.problems import Problem
from podline.contract.reasons import Phase, Reason

TAGS: Final = [
    {"name": "sessions", "description": "For web apps: start, read, watch and stop sessions."},
    {"name": "agents", "description": "Bots with a name, and what is wrong with them."},
    {
        "name": "Pipecat's clients",
        "description": "For Pipecat's own clients and the controller's page: start and join a call.",
    },
    {
        "name": "older contract",
        "description": "For web apps written against the controller's first API. Use `/v1` in others.",
    },
    {"name": "probes", "description": "For Kubernetes and Prometheus."},
]
_EVENTS: Final = "text/event-stream"
_EVERYWHERE: Final = (BodyTooLarge, InternalError)
_ABOUT: Final = """\
Start a voice call, follow it, and end it: one bot for each session.

**Keys.** Send a key from the controller's keys file as `Authorization: Bearer KEY`. Each operation names \
the scope that the key needs; `admin` allows everything. A controller without keys serves only its own \
machine and asks for none.

**Errors** are problem documents (RFC 9457) of the type `application/problem+json`. Programs compare \
`code`, people read `detail`. After a 429 or 503 with `Retry-After`, try again that many seconds later.

Any request may also get one of these errors before its operation is known:

"""
_PHASES: Final[Mapping[Phase, str]] = {
    Phase.STARTING: "The bot has not joined yet.",
    Phase.LIVE: "The bot has joined.",
    Phase.STOPPING: "The bot was asked to end and is not confirmed gone.",
    Phase.ENDED: "The bot is gone, and the session ended as intended. Final.",
    Phase.FAILED: "The bot is gone, and the session failed. Final.",
}
_ACCESS: Final[Mapping[str, str]] = {
    "start": "Needs a key with the scope `start` or `public_start`, or a signed identity. With "
    "`PODLINE_PUBLIC_START`, anybody may call it, as an anonymous caller.",
    "list_startable_agents": "Needs a key with the scope `start` or `public_start`. With "
    "`PODLINE_PUBLIC_START`, anybody may call it.",
    "read_metrics": "Needs a key with the scope `read` that is not limited to some agents. At a separate "
    "port (`PODLINE_METRICS_PORT`), anybody may call it.",
}


def completed(description: dict[str, Any]) -> dict[str, Any]:
    """Complete FastAPI's document in place: access, errors, events, and an example of everything."""
    components = description["components"]
    schemas = components["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = Problem.model_json_schema()
    schemas["Phase"]["description"] = _listed("The phase of a session.", _PHASES)
    schemas["Reason"]["description"] = _listed(
        "Why a session ended.", {reason: ending_for(reason).what_happened for reason in Reason}
    )
    components["examples"] = problem_examples()
    description["info"]["description"] = _ABOUT + "\n".join(
        f"- {error.status} `{error.code}`: {meaning(error)}" for error in BEFORE_ROUTES
    )
    for operation in _operations(description):
        _complete(operation)
    for schema in schemas.values():
        schema.pop("title", None)
        for each in schema.get("properties", {}).values():
            each.pop("title", None)
    return description


def _operations(description: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        yield from path.values()


def _complete(operation: dict[str, Any]) -> None:
    examples = EXAMPLES[operation["operationId"]]
    operation["description"] += f"\n\n{_access(operation)}"
    for parameter in operation.get("parameters", ()):
        parameter["schema"].pop("title", None)
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    responses |= {str(status): response for status, response in refusals(*_EVERYWHERE).items()}
    if examples.requests:
        _show(operation["requestBody"], examples.requests)
        operation["requestBody"]["description"] = "JSON."
    for status, shown in examples.responses.items():
        _show(responses[str(status)], shown)
    operation["responses"] = dict(sorted(responses.items()))


def _show(content_of: dict[str, Any], examples: Mapping[str, Any]) -> None:
    for media_type, content in content_of["content"].items():
        content["examples"] = {summary: {"value": value} for summary, value in examples.items()}
        content.get("schema", {}).pop("title", None)
        if media_type == _EVENTS:
            content.update(_OF_EVENTS)


def _access(operation: Mapping[str, Any]) -> str:
    if (special := _ACCESS.get(operation["operationId"])) is not None:
        return special
    match operation.get("security"):
        case None:
            return "Anybody may call it."
        case [{"session_token": _}]:
            return "Needs the token of the session; no key replaces it."
        case [{"key": [scope]}]:
            return f"Needs a key with the scope `{scope}`."
        case security:
            raise ValueError(f"{operation['operationId']}: say in _ACCESS what {security} means")


def _listed(about: str, meanings: Mapping[Any, str]) -> str:
    return f"{about}\n\n" + "\n".join(f"- `{value}`: {sentence}" for value, sentence in meanings.items())


_OF_EVENTS: Final[Mapping[str, Any]] = {
    "schema": {
        "type": "string",
        "description": "Server-Sent Events. The `data` of each event named `session` is a `SessionOut`.",
    },
    "itemSchema": {
        "type": "object",
        "description": "A session in its current state.",
        "required": ["event", "data", "id"],
        "properties": {
            "event": {
                "type": "string",
                "const": "session",
                "description": "The kind of event, always `session`.",
            },
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": f"{REFERENCE}SessionOut"},
                "description": "The whole session as JSON.",
            },
            "id": {
                "type": "string",
                "description": "`EPOCH-N`. A client that reconnects sends the last one as `Last-Event-ID`.",
            },
        },
    },
}
