"""What an agent's definition changes of the operator's Job template."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.core.agents import BUILT_IN, AgentDefinition, AgentVersion
from controller.runtimes.kubernetes.job.agent_template import agent_mistake, agent_template, merged
from controller.runtimes.kubernetes.job.template import JobTemplate
from tests.unit.controller.runtimes.kubernetes import made

OPERATORS: Any = yaml.safe_load(made.TEMPLATE.read_text(encoding="utf-8"))


def version(definition: AgentDefinition, **files: str) -> AgentVersion:
    """As an operator's ConfigMap makes it; with files, as a deployment through the API does."""
    return AgentVersion(definition=definition, serial=1, files=files)


def pod_of(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]


def bot_of(**definition: Any) -> Any:
    return pod_of(
        agent_template(JobTemplate(OPERATORS), version(AgentDefinition(**{"name": "clerk", **definition})))
    )["containers"][0]


OPERATORS_BOT = pod_of(OPERATORS)["containers"][0]


def test_the_agent_of_a_fresh_install_runs_as_the_template_says_without_a_copy_of_the_runner() -> None:
    made, given = pod_of(agent_template(JobTemplate(OPERATORS), BUILT_IN)), pod_of(OPERATORS)

    assert made["initContainers"] == []
    assert [each["name"] for each in made["volumes"]] == ["tmp", "authorities"]
    assert [each["name"] for each in made["containers"][0]["volumeMounts"]] == ["tmp", "authorities"]
    for pod in (made, given := copy.deepcopy(given)):
        for field in ("initContainers", "volumes"):
            del pod[field]
        del pod["containers"][0]["volumeMounts"]
    assert made == given


def test_an_agent_s_own_image_is_run_by_our_runner() -> None:
    bot = bot_of(image="registry.example.com/clerk:3")

    assert (bot["image"], bot["command"]) == ("registry.example.com/clerk:3", ["python", "/podline"])
    assert bot["securityContext"] == OPERATORS_BOT["securityContext"]
    assert bot["volumeMounts"] == OPERATORS_BOT["volumeMounts"]


def test_a_template_whose_bot_runs_the_copy_keeps_it() -> None:
    template = copy.deepcopy(OPERATORS)
    pod_of(template)["containers"][0]["command"] = ["sh", "-c", "exec python /podline"]

    assert agent_template(JobTemplate(template), BUILT_IN) == template


def test_a_copy_that_an_operator_s_helper_uses_too_is_kept() -> None:
    template = copy.deepcopy(OPERATORS)
    mounts = [{"name": "podline", "mountPath": "/copy"}, {"name": "tmp", "mountPath": "/work"}]
    pod_of(template)["initContainers"].append({"name": "patch", "image": "patch:1", "volumeMounts": mounts})

    assert agent_template(JobTemplate(template), BUILT_IN) == template


def test_an_operator_s_helper_that_has_nothing_to_do_with_the_copy_is_kept() -> None:
    template = copy.deepcopy(OPERATORS)
    helper = {"name": "log", "image": "log:1", "restartPolicy": "Always"}
    pod_of(template)["initContainers"].append(helper)

    assert pod_of(agent_template(JobTemplate(template), BUILT_IN))["initContainers"] == [helper]


def test_an_agent_without_an_image_runs_in_the_template_s_by_its_own_interpreter() -> None:
    bot = bot_of(python="/app/.venv/bin/python")

    assert (bot["image"], bot["command"]) == (OPERATORS_BOT["image"], ["/app/.venv/bin/python", "/podline"])


def test_an_agent_gets_its_own_secret_set_and_no_secret_of_the_template_s() -> None:
    template = copy.deepcopy(OPERATORS)
    given = pod_of(template)["containers"][0]
    given["envFrom"].append({"configMapRef": {"name": "region"}})
    key = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "podline-bot", "key": "GOOGLE_API_KEY"}}}
    given["env"] = [key, {"name": "REGION", "value": "eu"}]

    def sources(**definition: Any) -> tuple[Any, Any]:
        manifest = agent_template(JobTemplate(template), version(AgentDefinition(**definition)))
        [bot] = pod_of(manifest)["containers"]
        return [name for each in bot["envFrom"] for name in each.values()], bot["env"]

    region = {"name": "region"}
    assert sources(name="clerk", secret_set="clerk-keys") == (
        [region, {"name": "clerk-keys"}],
        [{"name": "REGION", "value": "eu"}],
    )
    assert sources(name="clerk") == ([region], [{"name": "REGION", "value": "eu"}])
    assert sources(name="shopping", max_agents=3) == ([{"name": "podline-bot"}, region], given["env"])


def test_what_it_needs_is_what_it_gets() -> None:
    bot = bot_of(cpu="2", memory="1Gi")

    assert bot["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
    assert bot["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert bot_of(memory="1Gi")["resources"]["requests"] == {"cpu": "250m", "memory": "1Gi"}


def test_its_image_is_pulled_with_its_credentials_beside_the_template_s() -> None:
    template = copy.deepcopy(OPERATORS)
    pod_of(template)["imagePullSecrets"] = [{"name": "of-the-runner"}]
    pod_of(template)["nodeSelector"] = {"podline.dev/pool": "bots"}
    definition = AgentDefinition(name="clerk", image_credentials="of-the-clerk", architecture="arm64")

    pod = pod_of(agent_template(JobTemplate(template), version(definition)))

    assert pod["imagePullSecrets"] == [{"name": "of-the-runner"}, {"name": "of-the-clerk"}]
    assert pod["nodeSelector"] == {"podline.dev/pool": "bots", "kubernetes.io/arch": "arm64"}


def test_its_own_patch_holds_against_all_else() -> None:
    patch = {
        "spec": {
            "template": {
                "spec": {
                    "automountServiceAccountToken": None,
                    "containers": [{"name": "bot", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
                    "volumes": [{"name": "model", "emptyDir": {}}],
                    "tolerations": [{"key": "gpu"}],
                }
            }
        }
    }

    pod = pod_of(
        agent_template(
            JobTemplate(OPERATORS), version(AgentDefinition(name="clerk", memory="1Gi", job=patch))
        )
    )

    [bot] = pod["containers"]
    assert bot["resources"]["limits"] == {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    assert [each["name"] for each in pod["volumes"]] == ["podline", "tmp", "authorities", "model"]
    assert "automountServiceAccountToken" not in pod
    assert pod["tolerations"] == [{"key": "gpu"}]


def test_the_session_s_job_is_made_of_its_agent_s_template_and_leaves_the_operator_s_as_it_is() -> None:
    before = copy.deepcopy(OPERATORS)
    version = AgentVersion(definition=AgentDefinition(name="clerk", image="clerk:3"), serial=2)

    [bot] = pod_of(made.manifest(made.launch(agent=version)))["containers"]

    assert bot["image"] == "clerk:3"
    assert made.template().manifest == before


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ({"spec": {"backoffLimit": 3}}, "podline.toml, `job.spec.backoffLimit`: leave `backoffLimit` out"),
        ({"spec": {"template": None}}, "podline.toml, `job.spec.template`: `spec.template` must be present"),
        ({"spec": {"template": {"spec": {"containers": [{"name": "second"}]}}}}, "a second container"),
        ({"spec": {"template": {"spec": {"containers": "none"}}}}, "there must be a container named bot"),
        ({"metadata": {"labels": {"podline.dev/agent": "other"}}}, "is written by the controller"),
        ({"kind": "CronJob"}, "podline.toml, `job.kind`: this is not a Job"),
    ],
)
def test_a_patch_that_unmakes_the_job_is_named(patch: Any, said: str) -> None:
    definition = AgentDefinition(name="clerk", job=patch)

    mistake = agent_mistake(JobTemplate(OPERATORS), version(definition), "podline")

    assert mistake is not None
    assert said in mistake
    assert mistake.endswith(".")


ODD = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from(["bot", "", [], {}, [1], [{}], {"name": 1}])
)
PLACES = st.sampled_from(
    [
        *(
            (),
            ("metadata",),
            ("metadata", "labels"),
            ("spec",),
            ("spec", "template"),
            ("spec", "template", "metadata"),
        ),
        *(("spec", "template", "spec", field) for field in ("containers", "initContainers", "volumes")),
    ]
)
FIELDS = st.dictionaries(
    st.sampled_from(["name", "image", "command", "env", "envFrom", "volumeMounts", "resources"]),
    ODD,
    max_size=3,
)


@given(PLACES, ODD | FIELDS.map(lambda fields: [{"name": "bot", **fields}]))
def test_whatever_a_patch_says_is_taken_or_named(place: tuple[str, ...], odd: Any) -> None:
    patch: Any = odd
    for step in reversed(place):
        patch = {step: patch}

    mistake = agent_mistake(
        JobTemplate(OPERATORS), version(AgentDefinition(name="clerk", job=patch)), "podline"
    )

    assert mistake is None or mistake.endswith(".")


@given(st.sampled_from(["initContainers", "volumes"]), ODD | FIELDS.map(lambda fields: [fields, 1]))
def test_what_only_the_api_server_checks_of_a_template_breaks_nothing(field: str, odd: Any) -> None:
    template = copy.deepcopy(OPERATORS)
    pod_of(template)[field] = odd

    agent_template(JobTemplate(template), BUILT_IN)


def test_a_template_of_before_there_was_a_runner_is_named_with_what_it_lacks() -> None:
    template = copy.deepcopy(OPERATORS)
    pod_of(template)["containers"][0]["volumeMounts"] = []

    mistake = agent_mistake(JobTemplate(template), version(AgentDefinition(name="clerk")), "podline")

    assert mistake is not None
    assert "mounts no runner at /podline" in mistake
    assert agent_mistake(JobTemplate(template), BUILT_IN, "podline") is None


def test_merging_keeps_order_and_touches_nothing_of_either() -> None:
    template, patch = {"a": [{"name": "x", "v": 1}], "b": 1}, {"a": [{"name": "y"}, {"name": "x", "v": 2}]}

    assert merged(template, patch) == {"b": 1, "a": [{"name": "x", "v": 2}, {"name": "y"}]}
    assert template["a"] == [{"name": "x", "v": 1}]


def test_an_agent_of_the_api_gets_sets_of_the_api_and_no_secret_of_the_operators() -> None:
    sets = {"keys": ("podline-set-1", "podline-set-2")}
    template = JobTemplate(OPERATORS, lambda name: sets.get(name, (name,)), sets.__contains__)
    definition = AgentDefinition(name="clerk", secret_set="keys", image_credentials="podline-controller")
    of_operators = AgentDefinition(name="clerk", secret_set="podline-controller")

    found = pod_of(agent_template(template, version(definition, deploy="")))
    refused = pod_of(agent_template(template, version(of_operators, deploy="")))
    operators = pod_of(agent_template(template, version(of_operators)))

    def secrets(pod: dict[str, Any]) -> list[str]:
        [bot] = pod["containers"]
        return [each["secretRef"]["name"] for each in bot["envFrom"] if "secretRef" in each]

    assert secrets(found) == ["podline-set-1", "podline-set-2"]
    assert {"name": "podline-controller"} not in (found.get("imagePullSecrets") or [])
    assert (secrets(refused), secrets(operators)) == ([], ["podline-controller"])
