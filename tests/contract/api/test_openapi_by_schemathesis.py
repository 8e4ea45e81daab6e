"""What Schemathesis makes of the API's own description: requests of every kind, each answer as described.

Bots exist by name only and leave as soon as they are asked to. Streams are read up to a few events.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, seed, settings
from schemathesis import BaseSchema
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import positive_data_acceptance

from controller.composition import compose
from controller.core.session import Session, Timeline
from controller.supervision.record import Record
from controller.web.auth import Key, KeyScope
from testing.fakes.controllers.parts import fake_parts
from testing.fakes.controllers.served import PATIENCE_SECONDS
from testing.settings import settings_of

SEED = 20_260_000
"""The same requests each time; another number makes others."""
KEY = "schemathesis"


NOT_FOR_A_SCHEMA_TO_SAY = {
    *("POST /v1/sessions", "GET /v1/sessions", "POST /start", "POST /start-agent"),
    *("PUT /v1/agents/{name}", "POST /v1/agents/{name}/rollback", "DELETE /v1/agents/{name}"),
}
"""Calls that refuse what only the operator's settings, or an answer before, can tell: the provider of a room,
the names of personas, the longest session, a cursor; which agents are defined by files, and how."""
STREAM_SECONDS = 0.2
"""How much of a stream without an end is looked at."""


def application() -> FastAPI:
    """One in which a session is already there: a stream without one would say nothing for 15 seconds."""
    keys = [Key("tests", hashlib.sha256(KEY.encode()).hexdigest(), frozenset({KeyScope.ADMIN}))]
    # Offers to bots that never answer are held so long at most.
    app = compose(settings_of(start_timeout_seconds=0.05, capacity=5), fake_parts(keys=keys))
    session = Session(
        id="there",
        user_id="ana",
        launch_id="launch-of-there",
        request_hash="",
        room_provider="daily",
        max_duration_seconds=60,
        timeline=Timeline(accepted=datetime.now(UTC)),
    )
    record = Record(session, 0.0)
    record.settled()
    app.state.services.supervisor.registry.add(record, now=0.0)
    return app


def description() -> BaseSchema:
    schema = schemathesis.openapi.from_dict(application().openapi())
    # 503 is an answer of ours like any other: no capacity, no bot, for now.
    schema.config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "503"]
    return schema


@pytest.fixture
def app() -> FastAPI:
    return application()


@description().parametrize()
@seed(SEED)
@settings(
    max_examples=25,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_each_answer_is_as_the_description_says(case: schemathesis.Case[Any], app: FastAPI) -> None:
    left_out: list[CheckFunction] = (
        [positive_data_acceptance] if case.operation.label in NOT_FOR_A_SCHEMA_TO_SAY else []
    )
    # Shown with a failure.
    print(f"Hypothesis seed {SEED}")  # noqa: T201
    if len(case.path_parameters.get("session_id", "")) % 2:
        case.path_parameters["session_id"] = "there"
    # The second is for the requests that checks add.
    case.operation.schema.app = app
    case.call_and_validate(
        app=app,
        headers={"Authorization": f"Bearer {KEY}"},
        excluded_checks=left_out,
        timeout=STREAM_SECONDS if case.operation.path.endswith("/events") else PATIENCE_SECONDS,
    )
