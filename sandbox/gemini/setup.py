"""What Google checks before a session begins: key, model, and the setup message."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from typing import Any, Final

from sandbox.gemini.wire import REFUSED, WRONG_ARGUMENT, FunctionDeclaration, ProtocolError, Setup

_MODELS: Final = re.compile(r"models/gemini-[a-z0-9.-]*(live|native-audio)[a-z0-9.-]*")
_FUNCTION_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_TYPES: Final = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})
_BEHAVIORS: Final = frozenset({None, "UNSPECIFIED", "BLOCKING", "NON_BLOCKING"})


def check_key(given: str | None, expected: str) -> None:
    """Let nobody in without the sandbox's key.

    Raises:
        ProtocolError: There is no key, or another one.
    """
    if not given:
        raise ProtocolError(
            REFUSED,
            "Method doesn't allow unregistered callers (callers without established identity).",
        )
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise ProtocolError(WRONG_ARGUMENT, "API key not valid. Please pass a valid API key.")


def check_setup(setup: Setup, version: str) -> None:
    """Check the setup of a session.

    Args:
        setup: The client's first message.
        version: The API version in the path, for the sentence.

    Raises:
        ProtocolError: The model is unknown, a modality can't be had, or a tool is declared badly.
    """
    if not _MODELS.fullmatch(setup.model):
        raise ProtocolError(
            REFUSED,
            f"{setup.model} is not found for API version {version}, "
            "or is not supported for bidiGenerateContent. Call ListModels to see the list of models.",
        )
    if setup.generation_config.response_modalities != ("AUDIO",):
        asked = ", ".join(setup.generation_config.response_modalities)
        raise ProtocolError(
            WRONG_ARGUMENT,
            f"The requested combination of response modalities ({asked}) is not supported by the model.",
        )
    names: set[str] = set()
    for tool_index, tool in enumerate(setup.tools):
        for index, function in enumerate(tool.function_declarations):
            _check_function(function, f"tools[{tool_index}].function_declarations[{index}]")
            if function.name in names:
                raise ProtocolError(WRONG_ARGUMENT, f"Duplicate function declaration found: {function.name}")
            names.add(function.name)


def _check_function(function: FunctionDeclaration, where: str) -> None:
    if not _FUNCTION_NAME.fullmatch(function.name):
        raise ProtocolError(
            WRONG_ARGUMENT,
            f"Invalid {where}.name: must start with a letter or an underscore, at most 128 characters.",
        )
    if function.behavior not in _BEHAVIORS:
        raise ProtocolError(WRONG_ARGUMENT, f"Invalid value at {where}.behavior: {function.behavior}")
    if function.parameters is not None and function.parameters_json_schema is not None:
        raise ProtocolError(WRONG_ARGUMENT, f"{where}: set parameters or parameters_json_schema, not both.")
    if function.parameters is not None:
        if function.parameters.get("type") != "OBJECT":
            raise ProtocolError(WRONG_ARGUMENT, f"{where}.parameters: schema should be of type OBJECT.")
        _check_schema(function.parameters, f"{where}.parameters")


def _check_schema(schema: Any, where: str) -> None:
    if not isinstance(schema, dict):
        raise ProtocolError(WRONG_ARGUMENT, f"Invalid value at {where}: a schema is an object.")
    kind = schema.get("type")
    if kind is None and "anyOf" not in schema:
        raise ProtocolError(WRONG_ARGUMENT, f"{where}.type: must be specified.")
    if kind is not None and kind not in _TYPES:
        raise ProtocolError(WRONG_ARGUMENT, f'Invalid value at {where}.type: "{kind}"')
    if kind == "ARRAY" and "items" not in schema:
        raise ProtocolError(WRONG_ARGUMENT, f"{where}.items: missing field.")
    for path, inner in _inner_schemas(schema, where):
        _check_schema(inner, path)


def _inner_schemas(schema: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    properties = schema.get("properties", {})
    alternatives = schema.get("anyOf", [])
    if not isinstance(properties, dict) or not isinstance(alternatives, list):
        raise ProtocolError(WRONG_ARGUMENT, f"Invalid value at {where}: properties or anyOf is malformed.")
    for name in schema.get("required", []):
        if name not in properties:
            raise ProtocolError(WRONG_ARGUMENT, f"{where}.required: property {name} is not defined.")
    for name, inner in properties.items():
        yield f"{where}.properties[{name}]", inner
    for index, inner in enumerate(alternatives):
        yield f"{where}.any_of[{index}]", inner
    if "items" in schema:
        yield f"{where}.items", schema["items"]
