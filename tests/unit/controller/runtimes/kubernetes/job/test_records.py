"""A session is kept on its Job and read back from there, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.session import Ending, Session, Timeline
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.records import (
    is_accounted,
    progress_patch,
    read_intent,
    read_session,
    stop_patch,
)
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import Usage
from tests.unit.controller.runtimes.kubernetes import made


@given(made.SESSIONS)
def test_a_session_that_has_just_been_launched_is_read_back_as_it_was_asked_for(session: Session) -> None:
    asked = replace(
        session, timeline=Timeline(accepted=made.NOW), usage=Usage(), usage_is_partial=False, diagnostics=None
    )
    job = made.job(made.manifest(made.launch(session=asked)))

    assert read_session(job) == asked


@given(made.SESSIONS, made.ENDINGS)
def test_a_session_that_has_ended_is_read_back_with_all_that_is_known_of_it(
    session: Session, ending: Ending
) -> None:
    ended = session.ended(ending, made.NOW)
    manifest = made.manifest(made.launch(session=session))
    job = made.job(made.merged(manifest, progress_patch(ended)))

    assert read_session(job) == ended
    assert is_accounted(job)


@given(made.SESSIONS)
def test_a_session_that_is_live_is_read_back_live_and_not_accounted_for(session: Session) -> None:
    live = session.marked(joined=made.NOW)
    manifest = made.manifest(made.launch(session=session))
    job = made.job(made.merged(manifest, progress_patch(live)))
    found = read_session(job)

    assert found is not None
    assert (found.phase, found.timeline) == (Phase.LIVE, live.timeline)
    assert not is_accounted(job)


def test_a_job_says_that_there_is_a_body_but_not_what_it_is() -> None:
    manifest = made.manifest(made.launch(session=made.session(body='"a secret"')))
    found = read_session(made.job(manifest))

    assert "a secret" not in str(manifest)
    assert found is not None
    assert (found.body, found.body_is_lost) == (None, True)


GARBAGE = st.text(max_size=30) | st.sampled_from(["null", "[]", "{}", '{"hash": 1}', "[" * 5000])


@given(
    st.dictionaries(st.sampled_from([names.REQUEST, names.TIMELINE, names.USAGE, names.DIAGNOSTICS]), GARBAGE)
)
def test_annotations_that_somebody_has_changed_break_nothing(annotations: dict[str, str]) -> None:
    manifest = made.manifest(made.launch())
    manifest["metadata"]["annotations"] |= annotations

    found = read_session(made.job(manifest))

    assert found is None or found.id == "cart-7"


@pytest.mark.parametrize("missing", [names.SESSION_ID, names.USER_ID, names.REQUEST])
def test_a_job_that_is_not_ours_is_no_session(missing: str) -> None:
    manifest = made.manifest(made.launch())
    del manifest["metadata"]["annotations"][missing]

    assert read_session(made.job(manifest)) is None


def test_a_stop_is_read_back_with_its_reason() -> None:
    intent = Ending(reason=Reason.IDLE, what_happened="Both were silent.")
    manifest = made.merged(made.manifest(made.launch()), stop_patch(intent))

    assert read_intent(made.job(manifest).metadata) == intent
    assert manifest["spec"]["activeDeadlineSeconds"] == 0


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({names.STOP_REASON: "stopped"}, ("stopped", "The session was stopped on request.")),
        ({names.STOP_REASON: "stopped", names.STOP_MESSAGE: "Tonight."}, ("stopped", "Tonight.")),
        ({names.STOP_REASON: "bored"}, None),
        ({}, None),
    ],
)
def test_what_kubectl_writes_is_understood(annotations: dict[str, str], expected: Any) -> None:
    manifest = made.manifest(made.launch())
    manifest["metadata"]["annotations"] |= annotations

    intent = read_intent(made.job(manifest).metadata)

    assert (intent and (str(intent.reason), intent.message)) == expected
