"""What the model refuses before a session begins."""

from typing import Any

import pytest

from sandbox.gemini.setup import check_key, check_setup
from sandbox.gemini.wire import REFUSED, WRONG_ARGUMENT, ProtocolError, Setup, read_message
from tests.unit.sandbox.setups import read_setup


def setup_of(**fields: Any) -> Setup:
    return read_setup(**{"model": "models/gemini-3.8-live", **fields})


def tools_with(**declaration: Any) -> list[Any]:
    return [{"functionDeclarations": [{"name": "save_product", **declaration}]}]


def parameters_with(schema: Any) -> list[Any]:
    return tools_with(parameters={"type": "OBJECT", "properties": {"number": schema}})


@pytest.mark.parametrize(
    "model",
    [
        "models/gemini-3.8-live",
        "models/gemini-2.5-flash-native-audio-preview-12-2025",
        "models/gemini-2.0-flash-live-001",
    ],
)
def test_live_models_are_known(model: str) -> None:
    check_setup(setup_of(model=model), "v1beta")


@pytest.mark.parametrize("model", ["models/gemini-1.5-pro", "gemini-3.8-live", "models/other-live", ""])
def test_an_unknown_model_is_refused_in_googles_words(model: str) -> None:
    with pytest.raises(ProtocolError, match="is not found for API version v1beta") as refusal:
        check_setup(setup_of(model=model), "v1beta")
    assert refusal.value.code == REFUSED


def test_a_wrong_key_is_refused_in_googles_words() -> None:
    with pytest.raises(ProtocolError, match=r"API key not valid\. Please pass a valid API key\.") as refusal:
        check_key("another", "right")
    assert refusal.value.code == WRONG_ARGUMENT


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(ProtocolError, match="unregistered callers") as refusal:
        check_key(None, "right")
    assert refusal.value.code == REFUSED


def test_snake_case_is_read_as_the_sdk_mixes_it() -> None:
    setup = setup_of(
        realtime_input_config={"automatic_activity_detection": {"disabled": True}},
        tools=parameters_with({"any_of": [{"type": "STRING"}, {"type": "NULL"}]}),
    )
    check_setup(setup, "v1beta")
    assert setup.realtime_input_config.automatic_activity_detection.disabled


def test_names_of_parameters_stay_as_they_are() -> None:
    setup = setup_of(
        tools=tools_with(parameters={"type": "OBJECT", "properties": {"product_number": {"type": "INTEGER"}}})
    )
    assert setup.functions["save_product"].parameter_names == {"product_number"}


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ([{"functionDeclarations": [{"name": "1st"}]}], "must start with a letter"),
        (
            [{"functionDeclarations": [{"name": "a"}, {"name": "a"}]}],
            "Duplicate function declaration found: a",
        ),
        (tools_with(parameters={"type": "STRING"}), "should be of type OBJECT"),
        (tools_with(behavior="SOMETIMES"), "SOMETIMES"),
        (tools_with(parameters={"type": "OBJECT"}, parametersJsonSchema={}), "not both"),
        (parameters_with({"type": "INT"}), 'properties\\[number\\].type: "INT"'),
        (parameters_with({}), "type: must be specified"),
        (parameters_with("INTEGER"), "a schema is an object"),
        (parameters_with({"type": "ARRAY"}), "items: missing field"),
        (parameters_with({"type": "ARRAY", "items": {"type": "X"}}), "items.type"),
        (
            tools_with(parameters={"type": "OBJECT", "properties": {}, "required": ["number"]}),
            "property number is not defined",
        ),
    ],
)
def test_a_bad_tool_declaration_is_refused_and_named(tools: list[Any], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence) as refusal:
        check_setup(setup_of(tools=tools), "v1beta")
    assert refusal.value.code == WRONG_ARGUMENT


def test_a_text_answer_can_not_be_had() -> None:
    with pytest.raises(ProtocolError, match="response modalities"):
        check_setup(setup_of(generationConfig={"responseModalities": ["TEXT"]}), "v1beta")


@pytest.mark.parametrize(
    "message",
    [
        "no json",
        "[]",
        '{"setup": {}}',
        '{"setup": {"model": 3}}',
        '{"surprise": {}}',
        '{"setup": {"model": "m", "x": 1}}',
    ],
)
def test_a_malformed_message_is_refused_with_a_sentence(message: Any) -> None:
    with pytest.raises(ProtocolError, match="Invalid JSON payload received") as refusal:
        read_message(message)
    assert refusal.value.code == WRONG_ARGUMENT


@pytest.mark.parametrize(
    "compression",
    [{}, {"slidingWindow": {}}, {"triggerTokens": "25600", "sliding_window": {"target_tokens": 12800}}],
)
def test_a_sliding_context_window_is_accepted(compression: Any) -> None:
    check_setup(setup_of(contextWindowCompression=compression), "v1beta")


def test_a_context_window_that_google_does_not_know_is_refused() -> None:
    with pytest.raises(ProtocolError, match="unknown field") as refusal:
        setup_of(contextWindowCompression={"slidingDoor": {}})
    assert refusal.value.code == WRONG_ARGUMENT
