"""What the site's commands decide from plain data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import pytest

from podline_cli.errors import CommandError
from scripts.site.causes import find_cause, last_line
from scripts.site.images import IMAGES, check_names, no_tool, options_of, plain_address, source_of
from scripts.site.needed_secrets import NAMES, find_missing, read_values, secret_manifest
from scripts.site.pods import describe_deployment, describe_pod, find_newest, job_result
from scripts.site.timeline import describe_session, draw_stages, find_reason, read_stages


def pod(*states: dict[str, Any], **status: Any) -> dict[str, Any]:
    containers = [{"state": state} for state in states]
    return {
        "metadata": {"name": "one", "creationTimestamp": "2026-11-24T23:59:59Z"},
        "status": {"phase": "Pending", "containerStatuses": containers, **status},
    }


def job(**annotations: Any) -> dict[str, Any]:
    written = {f"podline.dev/{name}": json.dumps(value) for name, value in annotations.items()}
    return {"metadata": {"name": "one", "labels": {}, "annotations": written}}


@pytest.mark.parametrize(
    ("seen", "text", "is_hopeless"),
    [
        (None, "there is no pod", False),
        (pod(), "pod/one is Pending", False),
        (
            pod({"waiting": {"reason": "ContainerCreating"}}),
            "pod/one is Pending ContainerCreating",
            False,
        ),
        (
            pod(
                {"running": {}}, {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off\n pulling"}}
            ),
            "pod/one is Pending ImagePullBackOff Back-off pulling",
            True,
        ),
        (
            pod({"waiting": {"reason": "ContainerCreating", "message": "not an ImagePullBackOff"}}),
            "pod/one is Pending ContainerCreating not an ImagePullBackOff",
            False,
        ),
        (
            pod(conditions=[{"type": "PodScheduled", "message": "0/1 nodes are available"}]),
            "pod/one is Pending 0/1 nodes are available",
            False,
        ),
        (
            pod(
                {"waiting": {"reason": "PodInitializing"}},
                initContainerStatuses=[{"state": {"waiting": {"reason": "ErrImageNeverPull"}}}],
            ),
            "pod/one is Pending ErrImageNeverPull PodInitializing",
            True,
        ),
        (
            pod(
                {"running": {"startedAt": "2026-11-24T23:59:59Z"}},
                initContainerStatuses=[{"state": {"terminated": {"reason": "Completed", "exitCode": 0}}}],
            ),
            "pod/one is Pending",
            False,
        ),
    ],
)
def test_a_pod_that_is_not_up_says_why_and_whether_waiting_helps(
    seen: dict[str, Any] | None, text: str, *, is_hopeless: bool
) -> None:
    assert describe_pod(seen) == (text, is_hopeless)


def test_pods_that_may_not_be_made_come_first() -> None:
    conditions = [{"type": "ReplicaFailure", "message": "pods violate PodSecurity"}]

    assert describe_deployment({"status": {"conditions": conditions}}, pod()) == (
        "no pod can be made (pods violate PodSecurity)",
        False,
    )
    assert describe_deployment({}, None).text == "there is no pod"


def test_the_newest_is_the_one_created_last() -> None:
    older, newer = pod(), pod()
    newer["metadata"]["creationTimestamp"] = "2026-11-25T00:00:00Z"

    assert find_newest([newer, older]) is newer
    assert find_newest([]) is None


@pytest.mark.parametrize(
    ("conditions", "result"),
    [
        ([], None),
        ([{"type": "Failed", "status": "False"}], None),
        ([{"type": "FailureTarget", "status": "True"}], None),
        (
            [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}],
            True,
        ),
        ([{"type": "Failed", "status": "True"}], False),
    ],
)
def test_a_job_is_over_once_a_condition_is_met(conditions: list[dict[str, str]], *, result: bool) -> None:
    assert job_result({"status": {"conditions": conditions}}) is result


def test_the_timeline_counts_from_the_start_request_over_midnight_and_leaves_out_what_never_was() -> None:
    ended = job(
        request={"accepted": "2026-11-24T23:59:59.500000Z"},
        timeline={"launched": "2026-11-24T23:59:59.750Z", "joined": None, "ended": "2026-11-25T00:00:04.5Z"},
    )

    stages = read_stages(ended)

    assert stages == [("accepted", 0.0), ("launched", 0.25), ("ended", 5.0)]
    drawn = draw_stages(stages)
    assert [line.split()[:3] for line in drawn] == [
        ["0.00", "s", "accepted"],
        ["0.25", "s", "launched"],
        ["5.00", "s", "ended"],
    ]
    places = [line.index("●") for line in drawn]
    assert places == sorted(places)
    assert (places[0], places[2]) == (len("   0.00 s  accepted  "), len(drawn[2]) - 1)


def test_a_session_without_an_end_has_no_reason() -> None:
    under_way = job(request={})
    under_way["metadata"]["labels"] = {"podline.dev/phase": "live", "podline.dev/reason": ""}

    assert find_reason(under_way) is None
    assert describe_session(under_way) == "Session one is live."


def test_a_fresh_site_gets_all_secrets_and_keys_that_open_its_door() -> None:
    missing = find_missing({}, numbered(), lambda: ("certificate", "key"))

    assert missing.create.keys() == set(NAMES)
    assert missing.add == {}
    admin, web = json.loads(missing.create["podline-keys"]["keys.json"])
    key = missing.create["podline-admin-key"]["key"]
    assert admin == {"name": "admin", "sha256": sha256(key.encode()).hexdigest(), "scopes": ["admin"]}
    assert web["sha256"] == sha256(missing.create["podline-web"]["PODLINE_API_KEY"].encode()).hexdigest()
    assert missing.create["podline-bot"]["GOOGLE_API_KEY"].startswith("sandbox-")


@pytest.mark.parametrize("stored", [{}, {"PODLINE_STORE_SECRET": ""}])
def test_what_is_there_stays_and_what_it_lacks_is_added(stored: dict[str, str]) -> None:
    existing = find_missing({}, numbered(), lambda: ("certificate", "key")).create
    existing["podline-controller"] = {"PODLINE_SECRET": "old", **stored}
    del existing["podline-keys"]

    missing = find_missing(existing, lambda size: "b" * size, lambda: ("other", "other"))

    assert missing.create.keys() == {"podline-keys"}
    assert sha256(existing["podline-admin-key"]["key"].encode()).hexdigest() in str(missing.create)
    assert missing.add == {"podline-controller": {"PODLINE_STORE_SECRET": "b" * 32}}


def test_a_secret_s_manifest_is_read_back() -> None:
    manifest: Any = secret_manifest("podline-sandbox-certificate", {"tls.crt": "é"})

    assert (manifest["type"], read_values(manifest["data"])) == ("kubernetes.io/tls", {"tls.crt": "é"})
    assert secret_manifest("podline-bot", {})["type"] == "Opaque"
    assert read_values(None) == {}


def numbered() -> Any:
    numbers: Iterator[int] = count()
    return lambda size: f"{next(numbers):0{size * 2}}"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("ERROR: failed: write /x: no space left on device", "the disk is full"),
        ("permission denied while trying to connect to unix:///var/run/docker.sock", "may not use Docker"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock", "Docker does not answer"),
        ("toomanyrequests: You have reached your pull rate limit", "limits anonymous pulls"),
        ("tls: failed to verify certificate: x509: signed by unknown authority", "SSL_CERT_FILE"),
        ("manifest for docker.io/library/nothing:1 not found", "no such image"),
        ("dial tcp: lookup registry-1.docker.io: no such host", "could not be reached"),
        ("Bind for 127.0.0.1:30300 failed: port is already allocated", "a port that it needs is taken"),
    ],
)
def test_what_a_tool_complains_of_has_a_cause_with_a_remedy(said: str, cause: str) -> None:
    assert cause in str(find_cause(f"#5 [2/9] RUN pip install\n{said}\n"))


def test_other_complaints_have_none_and_are_shortened_to_their_last_line() -> None:
    assert find_cause("npm error code E404") is None
    assert (
        last_line("One.\nError from server (Forbidden): secrets is forbidden.\n\n") == "secrets is forbidden"
    )
    assert last_line("") == ""


def test_an_image_s_source_names_its_base_unless_the_environment_does() -> None:
    assert source_of("web").target is None
    assert source_of("bot").base({}).startswith("docker.io/library/python:3.11")
    assert source_of("bot").base({"PODLINE_BASE_IMAGE": "mirror/python:3.11"}) == "mirror/python:3.11"
    assert source_of("web").base({"PODLINE_NODE_IMAGE": "mirror/node:22"}) == "mirror/node:22"


def test_proxies_and_certificates_are_for_the_build_alone() -> None:
    options = options_of(
        "podman", {"HTTPS_PROXY": "http://proxy:3128", "SSL_CERT_FILE": __file__, "PATH": "/"}
    )

    assert options == [
        *("--format", "docker", "--build-arg", "HTTPS_PROXY=http://proxy:3128"),
        *("--secret", f"id=certificates,src={__file__}"),
        *("--build-arg", "SSL_CERT_FILE=/run/secrets/certificates"),
        *("--build-arg", "PIP_CERT=/run/secrets/certificates"),
    ]
    assert options_of("docker", {"SSL_CERT_FILE": "/nowhere"}) == []


def test_only_a_plain_address_is_a_label() -> None:
    assert plain_address("https://github.com/one/two") == "https://github.com/one/two"
    assert plain_address("https://me:password@example.com/one") == "unknown"
    assert plain_address("git@example.com:one") == "unknown"


def test_an_unknown_image_and_a_machine_without_a_tool_are_named() -> None:
    check_names(list(IMAGES))
    with pytest.raises(CommandError, match="There is no image 'nothing': scripts/build-images builds bot, "):
        check_names(["bot", "nothing"])
    assert "install Docker" in str(no_tool(("docker", "podman"), [], ""))
    assert "unset PODLINE_IMAGE_TOOL" in str(no_tool(["podman"], [], ""))
    assert "does not answer (it is broken)" in str(no_tool(["podman"], ["podman"], "Error: it is broken"))
