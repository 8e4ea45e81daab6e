"""A deployment as Pipecat Cloud's command line sends it says the same as a file."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agents.cluster.source import Source
from controller.web.pipecat_cloud.deploy_request import DeployService
from podline.contract.agents import DEPLOY_FILE

TEXTS = {
    "imagePullSecretSet": "image_credentials",
    "secretSet": "secret_set",
    "agentProfile": "agent_profile",
    "architecture": "architecture",
    "websocketAuth": "websocket_auth",
    "region": "region",
}
HOSTILE = st.sampled_from(
    [
        '"',
        '"\n[job]\nx = "',
        "\\",
        '"""',
        "'''",
        "\x7f",
        "\r\n",
        "\t",
        "é\U0001f600",
        "#",
        "= 1\n",
        "{",
        "\x00",
    ]
)
TEXT = st.lists(st.text(max_size=20) | HOSTILE, max_size=5).map("".join)


@given(
    st.fixed_dictionaries(
        {"serviceName": TEXT.filter(lambda text: len(text) <= 64), "image": TEXT},
        optional=dict.fromkeys(TEXTS, TEXT),
    ),
    st.fixed_dictionaries({}, optional={"minAgents": st.integers(), "maxAgents": st.integers()}),
    st.none() | st.fixed_dictionaries({"cpu": TEXT | st.integers(), "memory": TEXT | st.floats(0, 1e9)}),
    st.none() | st.integers(),
    st.none() | TEXT,
)
def test_whatever_is_sent_the_file_has_these_values_and_no_others(
    texts: dict[str, str],
    scaling: dict[str, int],
    resources: dict[str, Any] | None,
    seconds: int | None,
    krisp: str | None,
) -> None:
    sent = {**texts, "autoScaling": scaling, "resources": resources, "maxSessionDuration": seconds}
    expected: dict[str, Any] = {"agent_name": texts["serviceName"], "image": texts["image"]}
    expected |= {key: texts[field] for field, key in TEXTS.items() if field in texts}
    names = {"minAgents": "min_agents", "maxAgents": "max_agents"}
    expected |= {"scaling": {names[key]: value for key, value in scaling.items()}} if scaling else {}
    expected |= {"resources": resources} if resources is not None else {}
    expected |= {"max_session_duration": seconds} if seconds is not None else {}
    expected |= {"krisp_viva": {"audio_filter": krisp}} if krisp is not None else {}

    file = DeployService.model_validate({**sent, "krispViva": {"audioFilter": krisp}}).deploy_file()

    assert tomllib.loads(file) == expected


@pytest.mark.parametrize("cpu", ["500m", "1", 1, 0.5])
def test_sizes_may_be_numbers_as_in_a_deploy_file(cpu: str | float) -> None:
    sizes = {"cpu": cpu, "memory": "1Gi"}
    sent = {"serviceName": "clerk", "image": "clerk:1", "resources": sizes}

    file = DeployService.model_validate(sent).deploy_file()

    found = Source(agent="clerk", files={DEPLOY_FILE: file}).read()
    assert (found.definition.cpu, found.definition.memory) == (str(cpu), "1Gi")
