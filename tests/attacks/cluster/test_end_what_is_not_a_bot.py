"""Who holds the controller's token wants to end what others run in its namespace, or to speak for them."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest

from controller.runtimes.kubernetes.job.warm_manifests import KEEPS_ITS_NODE
from testing.cluster.admission import (
    Account,
    a_bots_pod,
    an_event,
    production_job,
    somebody_elses_job,
)

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
STOP = {"spec": {"activeDeadlineSeconds": 0, "suspend": False}}
ADOPT = {"metadata": {"labels": {"podline.dev/launch-id": "mine"}}}


async def test_another_team_s_job_can_t_be_stopped_claimed_or_deleted(
    guarded: Account, unguarded: Account
) -> None:
    answers = []
    for account in (unguarded, guarded):
        job = somebody_elses_job()
        job["metadata"]["name"] = "reports"
        await account.plane.api("POST", account.jobs, job)
        path = f"{account.jobs}/reports"
        answers.append(
            [
                (await account.attempt("PATCH", path, STOP, MERGE)).status_code,
                (await account.attempt("PATCH", path, ADOPT, MERGE)).status_code,
                (await account.attempt("DELETE", path)).status_code,
            ]
        )

    assert answers == [[200, 200, 200], [422, 422, 422]]


async def test_another_team_s_pod_can_t_be_deleted(guarded: Account, unguarded: Account) -> None:
    pod = {
        "metadata": {"name": "livekit", "labels": {"app.kubernetes.io/name": "podline-livekit"}},
        "spec": {"nodeName": "nowhere", "containers": [{"name": "server", "image": "livekit"}]},
    }
    answers = []
    for account in (unguarded, guarded):
        await account.plane.api("POST", f"{account.core}/pods", pod)
        answers.append((await account.attempt("DELETE", f"{account.core}/pods/livekit")).status_code)

    assert answers == [200, 422]


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"podline.dev/launch-id": "another"}}},
        {"metadata": {"labels": {"podline.dev/launch-id": None}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "a"}]}},
        {"spec": {"parallelism": 20}},
    ],
    ids=["its launch", "its label", "its end", "its owner", "its number"],
)
async def test_a_bot_s_job_can_t_be_turned_into_another_by(
    guarded: Account, unguarded: Account, patch: dict[str, object]
) -> None:
    answers = []
    for account in (unguarded, guarded):
        name = "turned"
        await account.ask(
            "POST", account.jobs, {**(job := production_job(name)), "spec": {**job["spec"], "suspend": True}}
        )
        answers.append((await account.attempt("PATCH", f"{account.jobs}/{name}", patch, MERGE)).status_code)

    assert answers == [200, 422]


async def test_a_bot_is_stopped_and_deleted_also_when_its_image_is_not_allowed_any_more(
    guarded: Account,
) -> None:
    """A list that has become shorter keeps new bots away, and lets those that run be seen out."""
    job = production_job("older")
    job["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example.com/before:1"
    # As it was made while the list had this image.
    await guarded.plane.api("POST", guarded.jobs, job)
    path = f"{guarded.jobs}/older"

    stopped = await guarded.ask("PATCH", path, STOP, MERGE)
    deleted = await guarded.ask("DELETE", path, {"propagationPolicy": "Background"})

    assert (stopped.status_code, deleted.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("by-default", None),
        ("as-asked", {"propagationPolicy": "Orphan"}),
        ("as-asked-in-the-older-way", {"orphanDependents": True}),
        ("at-once", {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}),
    ],
)
async def test_no_bot_outlives_its_job(
    guarded: Account, unguarded: Account, way: str, options: dict[str, object] | None
) -> None:
    """A pod without its Job has no deadline, so that it would outlive the thief's token."""
    answers = []
    for account in (unguarded, guarded):
        path = f"{account.jobs}/orphans-{way}"
        await account.ask("POST", account.jobs, production_job(f"orphans-{way}"))
        answers.append((await account.attempt("DELETE", path, options)).status_code)

    assert answers == [200, 422]


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_a_bot_s_job_is_deleted_with_its_bot(guarded: Account, policy: str) -> None:
    job = await guarded.make_job(production_job(f"with-{policy.lower()}"))
    options = {"propagationPolicy": policy, "preconditions": {"uid": job["metadata"]["uid"]}}

    deleted = await guarded.ask("DELETE", f"{guarded.jobs}/{job['metadata']['name']}", options)

    assert deleted.status_code == 200, deleted.text


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"containers": [{"name": "bot", "image": "thief"}]}},
        {"spec": {"activeDeadlineSeconds": 1}},
        {"metadata": {"labels": {"podline.dev/serves-model": "true"}}},
        {"metadata": {"labels": {"app.kubernetes.io/name": None}}},
        {"metadata": {"labels": {"app.kubernetes.io/name": "podline-controller"}}},
        {"metadata": {"annotations": {"example.com/rights": "all"}}},
        {"metadata": {"annotations": {"example.com/kept": None}}},
        {"metadata": {"finalizers": ["example.com/never"]}},
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "a"}]}},
    ],
    ids=["image", "deadline", "service", "missing label", "name", "rights", "missing note", "end", "owner"],
)
async def test_a_bot_s_pod_is_only_labelled_and_never_changed_in_its(
    guarded: Account, unguarded: Account, patch: dict[str, object]
) -> None:
    answers = []
    for account in (unguarded, guarded):
        await make_pod(account)
        path = f"{account.core}/pods/a-bot-s"
        answers.append((await account.attempt("PATCH", path, patch, STRATEGIC)).status_code)

    assert answers == [200, 422]


async def test_the_pod_of_a_warm_bot_becomes_a_session_s(guarded: Account) -> None:
    await make_pod(guarded)
    claimed = {
        "labels": {f"podline.dev/{name}": "claimed" for name in ("pool", "session", "user")},
        "annotations": dict.fromkeys(
            ("podline.dev/session-id", "podline.dev/user-id", *KEEPS_ITS_NODE), "true"
        ),
    }

    answer = await guarded.attempt("PATCH", f"{guarded.core}/pods/a-bot-s", {"metadata": claimed}, MERGE)

    assert answer.status_code == 200, answer.text


async def make_pod(account: Account) -> None:
    pod = a_bots_pod()
    pod["metadata"]["annotations"] = {"example.com/kept": "yes"}
    with suppress(httpx.HTTPStatusError):
        await account.plane.api("POST", f"{account.core}/pods", pod)


async def test_events_are_about_jobs_only(guarded: Account, unguarded: Account) -> None:
    path = "events"
    for kind, denied in (("Pod", 422), ("Node", 422), ("Job", 201)):
        event = an_event(unguarded.namespace, kind)
        assert (await unguarded.attempt("POST", f"{unguarded.core}/{path}", event)).status_code == 201
        event = an_event(guarded.namespace, kind)
        assert (await guarded.attempt("POST", f"{guarded.core}/{path}", event)).status_code == denied


async def test_events_bear_no_other_name_than_podline_s(guarded: Account) -> None:
    event = {**an_event(guarded.namespace, "Job"), "source": {"component": "kubelet"}}

    assert (await guarded.attempt("POST", f"{guarded.core}/events", event)).status_code == 422
