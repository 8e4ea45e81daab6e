"""Definitions are read in full or refused with file, key and remedy, whatever is in the files."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agents.definitions import MOST_BYTES, InvalidDefinition, ReadDefinition, read_definition
from controller.agents.keys import KEYS
from controller.core.agents import AgentDefinition, GoodbyeRule
from podline.contract.agents import DEPLOY_FILE, PODLINE_FILE

WHOLE_DEPLOY = b"""
agent_name = "shop"
image = "registry.example.com:5000/shop@sha256:0123"
image_credentials = "dockerhub-credentials"
secret_set = "shop-secrets"
region = "us-west"
max_session_duration = 600
architecture = "arm64"
websocket_auth = "token"
build_id = "b-1"

[resources]
cpu = 0.5
memory = "1Gi"

[scaling]
min_agents = 1
max_agents = 20

[krisp_viva]
audio_filter = "tel"

[docker]
auto_build = true

[build]
context_dir = "."
[build.exclude]
patterns = ["*.md"]

[git]
repo = "shop/bot"
branch = "main"
"""
WHOLE_PODLINE = b"""
file = "server/bot.py"
python = ".venv/bin/python"
rooms = ["webrtc", "daily"]
buffer = "auto"
preload = false
idle_seconds = 20
no_caller_seconds = 7.5
mute_seconds = 0
goodbye = {sentence = "Goodbye."}
activity = "values"
panel = "cards"

[job.spec.template.spec]
priorityClassName = "calls"
"""


def read(deploy: bytes = b"", podline: bytes = b"", name: str = "shop", **more: Any) -> ReadDefinition:
    return read_definition(name, {DEPLOY_FILE: deploy, PODLINE_FILE: podline}, **more)


def refusal(deploy: bytes = b"", podline: bytes = b"", name: str = "shop", **more: Any) -> str:
    with pytest.raises(InvalidDefinition) as error:
        read(deploy, podline, name, **more)
    return str(error.value)


def test_every_key_of_both_files_is_read() -> None:
    found = read(WHOLE_DEPLOY, WHOLE_PODLINE, "another")

    assert found.definition == AgentDefinition(
        name="shop",
        image="registry.example.com:5000/shop@sha256:0123",
        image_credentials="dockerhub-credentials",
        cpu="0.5",
        memory="1Gi",
        architecture="arm64",
        secret_set="shop-secrets",
        min_agents=1,
        max_agents=20,
        max_session_duration=600,
        file="server/bot.py",
        python=".venv/bin/python",
        rooms=("daily", "webrtc"),
        buffer="auto",
        preload=False,
        idle_seconds=20,
        no_caller_seconds=7.5,
        mute_seconds=0,
        goodbye=GoodbyeRule(sentence="Goodbye."),
        activity="values",
        job={"spec": {"template": {"spec": {"priorityClassName": "calls"}}}},
        panel="cards",
    )
    without_effect = ["region", "websocket_auth", "build_id", "krisp_viva.audio_filter", "git"]
    beginnings = [note.partition(" has no effect. ")[0] for note in found.notes]
    assert beginnings == [f"{DEPLOY_FILE}: {key}" for key in without_effect]


def test_without_files_an_agent_has_its_name_and_defaults() -> None:
    assert read_definition("shop", {}) == ReadDefinition(definition=AgentDefinition(name="shop"))


def test_a_profile_of_pipecat_cloud_is_processors_and_memory() -> None:
    definition = read(b'agent_profile = "agent-2x"').definition
    assert (definition.cpu, definition.memory) == ("1", "2Gi")


@pytest.mark.parametrize("cpu", ['"500m"', '"2"', "2", "0.25", '"1.5"'])
def test_a_quantity_may_be_written_as_pipecat_clouds_client_takes_it(cpu: str) -> None:
    assert read(f'[resources]\ncpu = {cpu}\nmemory = "512Mi"'.encode()).definition.cpu == cpu.strip('"')


def test_the_definition_of_somebody_who_is_no_operator_may_not_patch_the_job() -> None:
    assert "job: remove it" in refusal(podline=b"job = {}", may_patch_job=False)


def test_what_was_written_is_not_repeated() -> None:
    sentences = refusal(
        b'secret_set = "sk-VERY SECRET"\nimage = 7\n"sk-VERY\\nSECRET" = 1\nsk_VERY_long = "VERY SECRET"',
        b'goodbye = {request = "VERY", sentence = "SECRET"}',
    )
    assert "SECRET" not in sentences
    assert "a key of unusual characters or length: there is no such key" in sentences


def test_many_problems_are_counted() -> None:
    text = refusal("".join(f"k{number} = 1\n" for number in range(1000)).encode())
    assert text.endswith("Problems not shown: 995.")
    assert len(text) < 1000


@pytest.mark.parametrize(
    "content",
    [
        b"x" * (MOST_BYTES + 1),
        b"x = " + b"[" * 5000,
        b"x = " + b"9" * 6000,
        b"a" + b".a" * 5000 + b" = 1",
        b"[" + b"a." * 5000 + b"a]",
        b"\xff",
        b"\x00",
        b"x = 1\nx = 2",
        b"x = 2026-01-01\n",
        b'"scaling.min_agents" = 1',
        b"[scaling.min_agents]\nx = 1",
        b"[[scaling]]\nmin_agents = 1",
        b"scaling = []",
        b"resources = false",
        b"git = 1",
    ],
)
@pytest.mark.parametrize("file", [DEPLOY_FILE, PODLINE_FILE])
def test_a_hostile_file_is_refused_in_a_few_words(file: str, content: bytes) -> None:
    with pytest.raises(InvalidDefinition) as error:
        read_definition("shop", {file: content})
    text = str(error.value)
    assert text.startswith(f"{file}: ")
    assert len(text) < 700


@pytest.mark.parametrize(
    "path", ["../bot.py", "a/../bot.py", "/bot.py", "a//bot.py", "bot", "", "b\x00.py", "a" * 300 + ".py"]
)
def test_a_bots_file_stays_below_its_directory(path: str) -> None:
    assert "file: write the path" in refusal(podline=f"file = {json.dumps(path)}".encode())


@pytest.mark.parametrize("name", ["start", "starter", "Shop", "-a", "a-", "", "a" * 41, "a\n", "a/b", "ä"])
def test_a_name_that_is_none_is_refused_wherever_it_comes_from(name: str) -> None:
    assert "agent_name: write a name" in refusal(name=name)
    assert "agent_name: write a name" in refusal(f"agent_name = {json.dumps(name)}".encode())


VALUES = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["auto", "none", "1Gi", "500m", "webrtc", "amd64", "agent-1x", "shop:1", "bot.py"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted({key for keys in KEYS.values() for key in keys})) | st.text(max_size=20)


def toml(values: Mapping[str, Any]) -> bytes:
    """Write values as TOML; a key with a dot lies in a table."""
    lines = []
    for name, value in values.items():
        key = ".".join(map(_quoted, name.split(".", 1)))
        lines.append(f"{key} = {_value(value)}")
    return "\n".join(lines).encode(errors="replace")


def _quoted(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return "[" + ", ".join(map(_value, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{_quoted(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
        case str():
            return _quoted(value)
        case _:
            return repr(value)


@given(st.dictionaries(NAMES, VALUES, max_size=6), st.dictionaries(NAMES, VALUES, max_size=6))
def test_any_keys_make_a_definition_with_a_hash_or_sentences(
    deploy: dict[str, Any], podline: dict[str, Any]
) -> None:
    check(toml(deploy), toml(podline))


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.binary(max_size=50))
def test_any_bytes_make_a_definition_with_a_hash_or_sentences(deploy: bytes, podline: bytes) -> None:
    check(deploy, podline)


def check(deploy: bytes, podline: bytes) -> None:
    try:
        definition = read(deploy, podline).definition
    except InvalidDefinition as error:
        text = str(error)
        assert text.startswith((f"{DEPLOY_FILE}: ", f"{PODLINE_FILE}: "))
        assert text.endswith((".", "?"))
        assert text.isprintable()
        assert len(text) < 2000
    else:
        assert len(definition.hash) == 64
        assert json.loads(json.dumps(definition.given())) is not None
