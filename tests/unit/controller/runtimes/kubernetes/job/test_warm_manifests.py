"""The Job of a warm bot is as a session's without the session, and becomes one by a single patch."""

from __future__ import annotations

import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.endings import ending_for
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.records import read_session, stop_patch
from controller.runtimes.kubernetes.job.warm_manifests import (
    KEEPS_ITS_NODE,
    claim_patch,
    claimed_pod,
    give_up_patch,
    read_warm,
    warm_secret,
)
from podline.contract.agents import NAME_PATTERN
from podline.contract.reasons import Reason
from testing.fakes.kubernetes.api_objects import merged
from tests.unit.controller.runtimes.kubernetes import made

WAITING = made.warm_manifest(made.warm_launch())
NAME = WAITING["metadata"]["name"]
OF_A_SESSION = {names.SESSION_LABEL, names.USER_LABEL, names.PHASE_LABEL}
OF_A_SESSION |= {names.SESSION_ID, names.USER_ID, names.REQUEST}


def claimed() -> dict[str, object]:
    taken: dict[str, object] = merged(WAITING, claim_patch(made.job(WAITING), made.claim(), made.NOW))
    return taken


@given(st.from_regex(NAME_PATTERN, fullmatch=True), st.text(string.printable, min_size=1))
def test_the_name_of_its_job_is_a_short_dns_label(agent: str, launch_id: str) -> None:
    name = names.warm_job_name(agent, launch_id)

    assert len(name) <= 40
    assert names.job_name(name) == name
    assert name.startswith(f"warm-{agent[:10].rstrip('-')}")


def test_a_waiting_job_is_as_a_sessions_but_for_the_session() -> None:
    of_a_session = made.manifest(made.launch(deadline_seconds=3600))
    for job, other in (
        (WAITING, of_a_session),
        (WAITING["spec"]["template"], of_a_session["spec"]["template"]),
    ):
        marks = job["metadata"]["labels"].keys() | job["metadata"]["annotations"].keys()
        others = other["metadata"]["labels"].keys() | other["metadata"]["annotations"].keys()
        assert not marks & OF_A_SESSION
        assert marks - others <= {names.POOL, names.WARM}
        assert others - marks <= OF_A_SESSION | set(KEEPS_ITS_NODE)
    spec, other_spec = dict(WAITING["spec"]), dict(of_a_session["spec"])
    del spec["template"], other_spec["template"]
    assert spec == other_spec


def test_its_secret_is_its_own_and_names_no_session() -> None:
    secret = warm_secret(made.warm_launch(), "a-uid")

    [container] = WAITING["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"][-1] == {"secretRef": {"name": secret["metadata"]["name"]}}
    assert secret["metadata"]["name"].startswith(f"{NAME}-")
    assert (
        secret["metadata"]["ownerReferences"][0] | {"uid": "a-uid", "name": NAME}
        == (secret["metadata"]["ownerReferences"][0])
    )
    assert not secret["metadata"]["labels"].keys() & OF_A_SESSION
    assert "a-launch-token" not in str(WAITING)


def test_an_idle_bot_keeps_no_node_and_a_claimed_one_does() -> None:
    waiting = WAITING["spec"]["template"]["metadata"]["annotations"]
    assert {name: waiting.get(name) for name in KEEPS_ITS_NODE} == dict(
        zip(KEEPS_ITS_NODE, ("true", None), strict=True)
    )

    pod = claimed_pod(made.job(claimed()))
    assert {name: pod["annotations"][name] for name in KEEPS_ITS_NODE} == dict(
        zip(KEEPS_ITS_NODE, ("false", "true"), strict=True)
    )
    assert (pod["labels"][names.SESSION_LABEL], pod["annotations"][names.USER_ID]) == ("cart-7", "ana")


def test_a_waiting_bot_is_read_back_and_is_no_session() -> None:
    job = made.job(WAITING)

    assert read_warm(job) == made.warm_bot()
    assert read_session(job) is None


@given(made.SESSIONS)
def test_a_claimed_bot_is_read_back_as_the_session_that_has_claimed_it(session: object) -> None:
    launch = made.launch(session=session)
    job = made.job(merged(WAITING, claim_patch(made.job(WAITING), launch, made.NOW)))
    found = read_session(job)

    assert found is not None
    assert (found.id, found.user_id) == (launch.session.id, launch.session.user_id)
    assert found.request_hash == launch.session.request_hash
    assert found.cold_start is False
    assert read_warm(job) is None


def test_a_session_of_an_earlier_release_had_a_bot_of_its_own() -> None:
    manifest = made.manifest(made.launch())
    assert "cold_start" not in manifest["metadata"]["annotations"][names.REQUEST]

    found = read_session(made.job(manifest))
    assert found is not None
    assert found.cold_start is True


@pytest.mark.parametrize("before", [WAITING, claimed()])
def test_a_bot_that_is_given_up_is_nobodys_whatever_was_written_before(before: dict[str, object]) -> None:
    job = made.job(merged(before, give_up_patch()))

    assert read_session(job) is None
    assert read_warm(job) is None
    assert job.spec.active_deadline_seconds == 0
    assert job.metadata.labels.launch_id == "warm-1"


def test_a_bot_that_is_being_stopped_waits_for_nobody() -> None:
    stopped = merged(WAITING, stop_patch(ending_for(Reason.STOPPED)))

    assert read_warm(made.job(stopped)) is None


@pytest.mark.parametrize("annotation", ["", "[]", "{}", '{"created": 1}', "[" * 5000])
def test_a_job_that_somebody_has_changed_is_no_warm_bot(annotation: str) -> None:
    changed = merged(WAITING, {"metadata": {"annotations": {names.WARM: annotation}}})

    assert read_warm(made.job(changed)) is None


@pytest.mark.parametrize(
    ("status", "created", "expected"),
    [
        ({"startTime": "2026-01-01T11:30:00Z"}, "2026-01-01T11:00:00Z", 1800 + 1951),
        ({}, "2026-01-01T11:00:00Z", 3600 + 1951),
        ({"startTime": "2026-01-01T12:00:07Z"}, "2026-01-01T12:00:00Z", 1951),
    ],
    ids=["from its start", "from its creation", "by a clock that is ahead"],
)
def test_a_claimed_bot_has_its_sessions_whole_time(
    status: dict[str, str], created: str, expected: int
) -> None:
    job = made.job(merged(WAITING, {"metadata": {"creationTimestamp": created}, "status": status}))

    patch = claim_patch(job, made.claim(), made.NOW)
    assert patch["spec"] == {"activeDeadlineSeconds": expected}
    later = claim_patch(job, made.claim(), made.NOW + timedelta(seconds=100))
    assert later["spec"]["activeDeadlineSeconds"] >= expected
