"""What is written for one launch: the operator's template, stamped, and a Secret that goes with it."""

from __future__ import annotations

import copy
import json

import yaml

from controller.core.rooms import Room
from controller.core.session import Ending
from controller.runtimes.kubernetes import names
from controller.runtimes.kubernetes.job.manifests import failure_event, session_job, session_secret
from controller.runtimes.kubernetes.job.runner_copy import without_copy
from controller.runtimes.kubernetes.job.template import FAILURE_POLICY, JobTemplate
from controller.runtimes.kubernetes.names import secret_name
from podline.contract.reasons import Reason
from testing.fakes.controllers.spans import PARENT
from tests.unit.controller.runtimes.kubernetes import made

LABELS = {
    "podline.dev/launch-id": "launch-1",
    "podline.dev/session": "cart-7",
    "podline.dev/user": "ana",
    "podline.dev/agent": "shop",
    "podline.dev/agent-version": "2-0123abcd",
    "app.kubernetes.io/name": "podline-bot",
}
SECRET = secret_name("cart-7", "launch-1")
IDS = {"podline.dev/session-id": "cart-7", "podline.dev/user-id": "ana"}


def test_the_job_is_the_operators_template_with_the_session_stamped_on() -> None:
    operators = yaml.safe_load(made.TEMPLATE.read_text(encoding="utf-8"))
    pod = operators["spec"]["template"]
    pod["spec"] = without_copy(pod["spec"])
    container = pod["spec"]["containers"][0]

    manifest = made.manifest(made.launch())

    request = manifest["metadata"]["annotations"].pop("podline.dev/request")
    assert json.loads(request)["hash"] == "abc"
    assert manifest["metadata"]["annotations"].pop("podline.dev/contract") == "1"
    assert manifest == {
        **operators,
        "metadata": {
            "name": "cart-7",
            "labels": {**LABELS, "podline.dev/phase": "starting"},
            "annotations": IDS,
        },
        "spec": {
            "activeDeadlineSeconds": 1951,
            "ttlSecondsAfterFinished": 3600,
            "parallelism": 1,
            "completions": 1,
            "completionMode": "NonIndexed",
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": FAILURE_POLICY,
            "template": {
                "metadata": {"labels": LABELS, "annotations": {**pod["metadata"]["annotations"], **IDS}},
                "spec": {
                    **pod["spec"],
                    "restartPolicy": "Never",
                    "terminationGracePeriodSeconds": 35,
                    "containers": [
                        {
                            **container,
                            "env": [
                                *container["env"],
                                {"name": "SESSION_ID", "value": "cart-7"},
                                {"name": "USER_ID", "value": "ana"},
                                {"name": "PODLINE_LAST_WORD", "value": "/dev/termination-log"},
                            ],
                            "envFrom": [*container["envFrom"], {"secretRef": {"name": SECRET}}],
                        }
                    ],
                },
            },
        },
    }


def test_the_template_stays_as_it_is() -> None:
    template = made.template()
    before = copy.deepcopy(template.manifest)

    made.manifest(made.launch())

    assert template.manifest == before


def test_no_credential_is_in_the_job() -> None:
    assert "a-launch-token" not in json.dumps(made.manifest(made.launch()))


def test_a_key_that_the_template_has_for_all_does_not_stand_before_the_bots_own_token() -> None:
    """Kubernetes lets `env` win over `envFrom`, by which a bot's own Secret comes."""
    manifest = yaml.safe_load(made.TEMPLATE.read_text(encoding="utf-8"))
    of_all = {"secretKeyRef": {"name": "podline-bot", "key": "key"}}
    more = {"name": "PODLINE_STOP_SECS", "value": "1"}
    manifest["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "GOOGLE_API_KEY", "valueFrom": of_all},
        {"name": "CONVEX_TOKEN", "value": "shared"},
        more,
    ]

    def given(**secrets: str) -> list[str]:
        launch = made.launch(secrets=secrets, environment={})
        job = session_job(JobTemplate(manifest), launch, grace_seconds=30, keep_ended_seconds=3600)
        return [each["name"] for each in job["spec"]["template"]["spec"]["containers"][0]["env"]]

    assert given(GOOGLE_API_KEY="auth_tokens/a", CONVEX_TOKEN="signed") == [
        "PODLINE_STOP_SECS",
        "PODLINE_LAST_WORD",
    ]
    assert given() == ["GOOGLE_API_KEY", "CONVEX_TOKEN", "PODLINE_STOP_SECS", "PODLINE_LAST_WORD"]


def test_a_launch_and_its_room_show_no_secret_where_they_are_printed() -> None:
    room = Room(
        name="a", url="b", caller_token="for-the-caller", environment={}, secrets={"T": "for-the-bot"}
    )
    shown = repr(made.launch()) + repr(room)

    assert not [secret for secret in ("a-launch-token", "for-the-caller", "for-the-bot") if secret in shown]


def test_the_secret_belongs_to_the_job() -> None:
    secret = session_secret(made.launch(), "uid-1")

    assert secret["stringData"] == {"PODLINE_LAUNCH_TOKEN": "a-launch-token"}
    assert secret["metadata"]["name"] == SECRET
    assert secret["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": "cart-7", "uid": "uid-1"}
    ]


def test_a_value_that_looks_like_a_reference_reaches_the_bot_as_it_is() -> None:
    manifest = made.manifest(made.launch(environment={"USER_ID": "$(SESSION_ID) costs $5"}))

    [container] = manifest["spec"]["template"]["spec"]["containers"]
    assert {"name": "USER_ID", "value": "$$(SESSION_ID) costs $$5"} in container["env"]


def test_the_bot_is_told_whose_trace_it_continues_and_nothing_else_of_traces() -> None:
    launch = made.launch().continuing({"traceparent": PARENT, "tracestate": "shop=7", "baggage": "user=ana"})
    [container] = made.manifest(launch)["spec"]["template"]["spec"]["containers"]

    given = {variable["name"]: variable["value"] for variable in container["env"]}
    assert given["TRACEPARENT"] == PARENT
    assert given["TRACESTATE"] == "shop=7"
    assert not [name for name in given if name.startswith(("OTEL_", "BAGGAGE"))]
    assert session_secret(launch, "uid-1") == session_secret(made.launch(), "uid-1")


def test_ids_stand_whole_on_job_and_pod() -> None:
    session = made.session(id="Cart~" * 25, user_id="名前" * 60)
    manifest = made.manifest(made.launch(session=session))

    for metadata in (manifest["metadata"], manifest["spec"]["template"]["metadata"]):
        assert metadata["annotations"][names.SESSION_ID] == session.id
        assert metadata["annotations"][names.USER_ID] == session.user_id


def test_the_event_of_a_failure_is_the_same_however_often_it_is_written() -> None:
    ending = Ending(reason=Reason.OUT_OF_MEMORY, what_happened="Too small.")
    events = [failure_event("cart-7", "uid-1", "podline", ending, at) for at in ("t1", "t2")]

    assert {event["metadata"]["name"] for event in events} == {"cart-7.uid-1"}
    assert (events[0]["type"], events[0]["reason"]) == ("Warning", "OutOfMemory")
