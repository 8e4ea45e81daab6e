"""A template that can't be used is refused with the line to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.runtimes.kubernetes.client.errors import ConfigurationInvalid
from controller.runtimes.kubernetes.job.template import read_template
from tests.unit.controller.runtimes.kubernetes import made

USABLE = """\
apiVersion: batch/v1
kind: Job
metadata: {}
spec:
  template:
    metadata: {}
    spec:
      containers:
        - name: bot
          image: bot:1
"""


def refused(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationInvalid) as caught:
        read_template(path, "podline")
    return str(caught.value)


def test_the_template_that_ships_can_be_used() -> None:
    assert made.template().manifest["kind"] == "Job"


IN_METADATA = ("metadata: {}", "metadata: {%s}", 3)
IN_JOB = ("  template:", "  %s\n  template:", 5)
IN_POD = ("      containers:", "      %s\n      containers:", 8)
IN_BOT = ("image: bot:1", "image: bot:1\n          %s", 11)
BESIDE_BOT = ("image: bot:1", "image: bot:1\n        - %s", 11)
AT_KIND = ("kind: Job", "%s", 2)
AT_VERSION = ("apiVersion: batch/v1", "%s", 1)
AT_NAME = ("- name: bot", "- %s", 8)

Steps = tuple[str, str, int]


@pytest.mark.parametrize(
    ("at", "text", "said"),
    [
        (AT_KIND, "kind: Pod", "this is not a Job; start it with `apiVersion: batch/v1`"),
        (AT_VERSION, "apiVersion: batch/v2", "a Job's apiVersion is batch/v1"),
        (IN_METADATA, "name: mine", "leave `name` out: each Job is named for its session"),
        (IN_METADATA, "generateName: m-", "leave `generateName` out"),
        (IN_METADATA, "namespace: other", "bots run in namespace podline; leave `namespace` out"),
        (IN_METADATA, "labels: {podline.dev/x: y}", "leave `podline.dev/x` out"),
        (IN_METADATA, "annotations: {podline.dev/x: y}", "leave `podline.dev/x` out"),
        (IN_JOB, "backoffLimit: 3", "leave `backoffLimit` out, or set it to 0: one Job is one bot"),
        (IN_JOB, "parallelism: 2", "leave `parallelism` out, or set it to 1"),
        (IN_JOB, "completions: 2", "leave `completions` out, or set it to 1"),
        (IN_JOB, "completionMode: Indexed", "leave `completionMode` out, or set it to NonIndexed"),
        (IN_JOB, "podReplacementPolicy: X", "leave `podReplacementPolicy` out, or set it to Failed"),
        (IN_JOB, "podFailurePolicy: {}", "leave `podFailurePolicy` out"),
        (IN_JOB, "activeDeadlineSeconds: 5", "leave `activeDeadlineSeconds` out: the controller sets it"),
        (IN_JOB, "ttlSecondsAfterFinished: 5", "leave `ttlSecondsAfterFinished` out"),
        (IN_JOB, "suspend: true", "leave `suspend` out"),
        (IN_JOB, "selector: {}", "leave `selector` out: with it a Job may not be one bot"),
        (IN_JOB, "managedBy: x", "leave `managedBy` out"),
        (IN_POD, "restartPolicy: OnFailure", "leave `restartPolicy` out, or set it to Never"),
        (IN_POD, "terminationGracePeriodSeconds: 5", "it follows PODLINE_GRACE_SECONDS"),
        (AT_NAME, "name: robot", "there must be a container named bot"),
        (BESIDE_BOT, "{name: bot}", "two containers are named bot; a helper goes into `initContainers`"),
        (BESIDE_BOT, "{name: helper}", "a second container would outlive the bot"),
        (IN_BOT, "terminationMessagePath: /x", "the bot writes its final report to /dev/termination-log"),
        (IN_BOT, "env: [{name: USER_ID, value: x}]", "leave `USER_ID` out: the controller sets it"),
        (IN_BOT, "env: [{name: [x]}]", "a variable needs a `name`, which is a text"),
        (IN_BOT, "env: [{value: x}]", "a variable needs a `name`, which is a text"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, at: Steps, text: str, said: str) -> None:
    old, around, line = at
    path = tmp_path / "job.yaml"
    message = refused(path, USABLE.replace(old, around % text, 1))

    assert message.startswith(f"{path}, line {line}: ")
    assert said in message
    assert message.endswith(".")


@pytest.mark.parametrize("text", ["", "- a list\n", "kind: [\n", "a: 1\n---\nb: 2\n", "just words\n"])
def test_what_is_no_template_at_all_is_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path / "job.yaml", text).endswith(".")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"nowhere\.yaml: No such file or directory\."):
        read_template(tmp_path / "nowhere.yaml", "podline")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["bot", "Job", "batch/v1", "x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "kind",
                    "apiVersion",
                    "metadata",
                    "spec",
                    "template",
                    "containers",
                    "name",
                    "image",
                    "env",
                    "labels",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON, st.sampled_from([(), ("spec",), ("spec", "template"), ("spec", "template", "spec")]))
def test_whatever_stands_there_is_taken_or_refused_and_never_breaks_the_reader(
    tmp_path: Path, odd: Any, at: tuple[str, ...]
) -> None:
    manifest: Any = yaml.safe_load(USABLE)
    if at:
        target = manifest
        for step in at[:-1]:
            target = target[step]
        target[at[-1]] = odd
    else:
        manifest = odd
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    try:
        read_template(path, "podline")
    except ConfigurationInvalid as error:
        assert str(error).endswith(".")  # noqa: PT017 - either is fine
