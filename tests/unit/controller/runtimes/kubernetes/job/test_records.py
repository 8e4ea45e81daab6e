"""A session is kept on its Job and read back from there, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.endings import ending_for
from controller.core.session import Ending, Session, Timeline
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.records import (
    is_accounted,
    progress_patch,
    read_intent,
    read_session,
    stop_patch,
    why_unread,
)
from podline.contract.reasons import Phase, Reason
from podline.contract.usage import ModelUsage, Usage
from podline.contract.version import VERSION
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


def test_a_stop_keeps_what_was_used_for_the_next_controller() -> None:
    session = made.session().marked(joined=made.NOW).used(Usage(turns=3))
    intent = Ending(reason=Reason.IDLE, what_happened="Both were silent.")
    manifest = made.merged(made.manifest(made.launch()), stop_patch(intent, session))

    found = read_session(made.job(manifest))

    assert found is not None
    assert found.usage == Usage(turns=3)
    assert found.phase is Phase.STARTING, "only the patch of a live session says that it is live"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({names.STOP_REASON: "stopped"}, ("stopped", "The session was stopped on request.")),
        ({names.STOP_REASON: "stopped", names.STOP_MESSAGE: "Tonight."}, ("stopped", "Tonight.")),
        ({names.STOP_REASON: "bored"}, None),
        ({}, None),
        # A controller of a later release, which always writes a sentence.
        ({names.STOP_REASON: "bored", names.STOP_MESSAGE: "It yawned."}, ("stopped", "It yawned.")),
    ],
)
def test_what_kubectl_writes_is_understood(annotations: dict[str, str], expected: Any) -> None:
    manifest = made.manifest(made.launch())
    manifest["metadata"]["annotations"] |= annotations

    intent = read_intent(made.job(manifest).metadata)

    assert (intent and (str(intent.reason), intent.message)) == expected


def test_what_only_a_later_release_knows_is_written_again() -> None:
    live = made.session().marked(joined=made.NOW)
    manifest = made.merged(made.manifest(made.launch()), progress_patch(live))
    annotations = manifest["metadata"]["annotations"]
    timeline = {**json.loads(annotations[names.TIMELINE]), "recorded": "2030-01-01T00:00:00Z"}
    usage = {
        "totals": {"turns": 1, "laughs": 2, "models": {"m": {"prompt_tokens": 3, "frames": 4}}},
        "at": "2030-01-01T00:00:00Z",
    }
    annotations |= {names.TIMELINE: json.dumps(timeline), names.USAGE: json.dumps(usage)}

    found = read_session(made.job(manifest))
    assert found is not None
    used = Usage(turns=9, models={"m": ModelUsage(prompt_tokens=70)})
    ended = found.used(used).ended(ending_for(Reason.COMPLETED), made.NOW)
    written = made.merged(manifest, progress_patch(ended))
    again = written["metadata"]["annotations"]

    assert json.loads(again[names.TIMELINE]).items() > timeline.items()
    kept = json.loads(again[names.USAGE])
    assert kept["at"] == usage["at"]
    assert (kept["totals"]["turns"], kept["totals"]["laughs"]) == (9, 2)
    assert kept["totals"]["models"] == {"m": {"prompt_tokens": 70, "frames": 4}}
    read = read_session(made.job(written))
    assert read is not None
    assert (read.ending, read.usage) == (ended.ending, used)


@pytest.mark.parametrize(
    ("phase", "message", "expected"),
    [
        ("ended", "The caller was passed on.", (Phase.ENDED, Reason.COMPLETED, "The caller was passed on.")),
        ("failed", "The moon is full.", (Phase.FAILED, Reason.CRASHED, "The moon is full.")),
        ("dozing", "It dozed off.", (Phase.FAILED, Reason.CRASHED, "It dozed off.")),
    ],
)
def test_an_end_for_a_reason_of_a_later_release_is_an_end(phase: str, message: str, expected: Any) -> None:
    manifest = made.manifest(made.launch())
    manifest["metadata"]["labels"] |= {names.PHASE_LABEL: phase, names.REASON_LABEL: "passed_on"}
    manifest["metadata"]["annotations"][names.MESSAGE] = message
    job = made.job(manifest)

    found = read_session(job)

    assert found is not None
    assert found.ending is not None
    assert (found.phase, found.ending.reason, found.ending.message) == expected
    assert is_accounted(job)


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ("1", None),
        (None, None),
        ("2", f"is contract 2, but Podline {VERSION} speaks 1"),
        ("0", f"is contract 0, but Podline {VERSION} speaks 1"),
        ("one", "is not a number"),
        ("", "is not a number"),
        ("9" * 5000, "is not a number"),
    ],
)
def test_a_record_is_read_in_a_contract_that_is_spoken(contract: str | None, reason: str | None) -> None:
    manifest = made.manifest(made.launch())
    if contract is None:
        del manifest["metadata"]["annotations"][names.CONTRACT]
    else:
        manifest["metadata"]["annotations"][names.CONTRACT] = contract
    job = made.job(manifest)

    assert why_unread(job) == reason
    assert (read_session(job) is None) == (reason is not None)
