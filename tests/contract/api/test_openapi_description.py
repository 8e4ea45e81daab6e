"""The API's description: each status and code of each route, against the tree of errors."""

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from controller.composition import compose
from controller.core import errors
from controller.web import errors as http_errors
from testing.fakes.controllers.parts import fake_parts
from testing.settings import settings_of

KEY = {401: {"unauthorized"}, 403: {"forbidden", "origin_not_allowed"}, 429: {"rate_limited"}}
ALWAYS = {413: {"body_too_large"}, 500: {"internal_error"}}
BODY = {415: {"unsupported_media_type"}, 422: {"invalid_request"}}
NOT_FOUND = {404: {"session_not_found"}}
ADMISSION = {"capacity_reached", "user_limit_reached", "rate_limited"}
LAUNCH = {
    404: {"agent_not_found"},
    503: {
        "agent_invalid",
        "agent_not_configured",
        "runtime_unavailable",
        "rooms_unavailable",
        "model_unavailable",
        "draining",
        "shutting_down",
    },
}
OF_AN_AGENT = {
    **KEY,
    404: {"agent_not_found"},
    409: {"agent_defined_by_file"},
    422: {"invalid_request"},
    503: {"runtime_unavailable"},
}
CONFLICT = {409: {"session_conflict"}}
OFFER = {
    **KEY,
    **BODY,
    409: {"offer_refused", "offer_superseded"},
    410: {"session_ended"},
    503: {"bot_unavailable", "runtime_unavailable", "shutting_down"},
}
CANDIDATES = {
    **OFFER,
    409: {"offer_refused"},
    503: {"bot_unavailable", "runtime_unavailable", "too_many_offers", "shutting_down"},
}
DESCRIBED = {
    ("post", "/v1/sessions"): {**KEY, **BODY, **LAUNCH, **CONFLICT, 429: ADMISSION},
    ("get", "/v1/sessions"): {**KEY, 422: {"invalid_request"}},
    ("get", "/v1/sessions/{session_id}"): {**KEY, **NOT_FOUND},
    ("delete", "/v1/sessions/{session_id}"): {**KEY, **NOT_FOUND},
    ("get", "/v1/sessions/{session_id}/logs"): {
        **KEY,
        **NOT_FOUND,
        422: {"invalid_request"},
        503: {"runtime_unavailable"},
    },
    ("get", "/v1/sessions/{session_id}/events"): {**KEY, **NOT_FOUND},
    ("get", "/v1/events"): KEY,
    ("get", "/v1/agents"): KEY,
    ("get", "/v1/agents/{name}"): {**KEY, 404: {"agent_not_found"}},
    ("put", "/v1/agents/{name}"): {**OF_AN_AGENT, 415: {"unsupported_media_type"}},
    ("post", "/v1/agents/{name}/rollback"): {
        **OF_AN_AGENT,
        404: {"agent_not_found", "version_not_found"},
        415: {"unsupported_media_type"},
    },
    ("delete", "/v1/agents/{name}"): OF_AN_AGENT,
    ("get", "/v1/drain"): KEY,
    ("put", "/v1/drain"): {**KEY, **BODY, 503: {"runtime_unavailable"}},
    ("get", "/start/agents"): KEY,
    ("post", "/start"): {**KEY, **BODY, **LAUNCH, 429: ADMISSION},
    ("post", "/sessions/{session_id}/api/offer"): OFFER,
    ("patch", "/sessions/{session_id}/api/offer"): CANDIDATES,
    ("post", "/start-agent"): {**KEY, **BODY, **LAUNCH, **CONFLICT, 429: ADMISSION},
    ("post", "/stop-agent/{session_id}"): {**KEY, **NOT_FOUND, 415: {"unsupported_media_type"}},
    ("get", "/agents"): KEY,
    ("get", "/health"): KEY,
    ("get", "/livez"): {},
    ("get", "/readyz"): {},
    ("get", "/metrics"): KEY,
}
BEFORE_ROUTES = {
    "malformed_request",
    "request_timeout",
    "url_too_long",
    "headers_too_large",
    "too_many_connections",
    "connections_exhausted",
}
OF_PIPECAT_CLOUD = {"not_supported", "secret_set_not_found", "secret_set_defined_by_file"}
OF_NO_DESCRIBED_ROUTE = {
    *("not_found", "method_not_allowed", "launch_ended"),
    *BEFORE_ROUTES,
    *OF_PIPECAT_CLOUD,
}
"""Said where no route was chosen, and by what is not described: the bots' channel and Pipecat Cloud's API."""


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return compose(settings_of(), fake_parts()).openapi()


def operations(description: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield (method, path), operation


def problems(operation: dict[str, Any]) -> dict[int, set[str]]:
    return {
        int(status): set(content["schema"]["properties"]["code"]["enum"])
        for status, answer in operation["responses"].items()
        if (content := answer.get("content", {}).get("application/problem+json"))
    }


def concrete(kind: type[errors.ControllerError]) -> Iterator[type[errors.ControllerError]]:
    for each in kind.__subclasses__():
        yield each
        yield from concrete(each)


def test_each_route_names_each_status_and_code_it_may_answer(description: dict[str, Any]) -> None:
    said = {route: problems(operation) for route, operation in operations(description)}
    assert said == {route: {**ALWAYS, **answers} for route, answers in DESCRIBED.items()}


def test_the_codes_described_are_those_of_the_tree_of_errors(description: dict[str, Any]) -> None:
    said = {
        (status, code)
        for _, operation in operations(description)
        for status, codes in problems(operation).items()
        for code in codes
    }
    raised = {(each.status, each.code) for each in concrete(errors.ControllerError)}
    assert said == {(status, code) for status, code in raised if code not in OF_NO_DESCRIBED_ROUTE}


@pytest.mark.parametrize("module", [errors, http_errors])
def test_each_error_stands_in_the_tree_that_its_module_shows(module: ModuleType) -> None:
    shown = [line.split() for line in (module.__doc__ or "").splitlines() if line.strip().startswith("- ")]
    assert {(name, int(status)) for _, name, status in shown} == {
        (each.__name__, each.status)
        for each in concrete(errors.ControllerError)
        if each.__module__ == module.__name__
    }


def test_no_other_module_has_errors_that_become_answers() -> None:
    modules = {each.__module__ for each in concrete(errors.ControllerError)}
    assert modules == {errors.__name__, http_errors.__name__}


def test_each_problem_has_an_example_of_each_code(description: dict[str, Any]) -> None:
    for route, operation in operations(description):
        for status, codes in problems(operation).items():
            content = operation["responses"][str(status)]["content"]["application/problem+json"]
            names = [example["$ref"].rpartition("/")[2] for example in content["examples"].values()]
            values = [description["components"]["examples"][name]["value"] for name in names]
            assert {value["code"] for value in values} == codes, route
            assert {value["status"] for value in values} == {status}, route


def test_each_route_but_the_probes_names_the_key_and_the_scope_it_needs(description: dict[str, Any]) -> None:
    needed = {route: operation.get("security") for route, operation in operations(description)}
    for (_, path), security in needed.items():
        assert (security is None) is (path in ("/livez", "/readyz"))
    assert needed["get", "/metrics"] == [{"key": ["read"]}]
    assert needed["delete", "/v1/sessions/{session_id}"] == [{"key": ["stop"]}]
    assert needed["post", "/v1/sessions"] == [{"key": ["start"]}]
    assert needed["get", "/v1/events"] == [{"key": ["read"]}]
    offer = needed["patch", "/sessions/{session_id}/api/offer"]
    assert offer == [{"session_token": []}]
    of_starts = needed["post", "/start"]
    assert of_starts is not None
    assert {name for each in of_starts for name in each} == {"key", "identity"}
    schemes = description["components"]["securitySchemes"]
    assert all(scheme["type"] == "http" and scheme["scheme"] == "bearer" for scheme in schemes.values())
