"""The options of a connection reach the socket."""

import inspect

from google.genai import Client
from websockets.asyncio.client import connect

from podline.gemini.options import http_options


def test_websockets_knows_each_option() -> None:
    arguments = http_options("key").async_client_args or {}

    assert set(arguments) <= set(inspect.signature(connect).parameters)


def test_the_sdk_passes_each_option_on() -> None:
    arguments = http_options("key").async_client_args or {}
    client = Client(api_key="key", http_options=http_options("key"))

    passed_on = client._api_client._websocket_ssl_ctx

    assert arguments.items() <= passed_on.items()


def test_a_token_for_one_call_needs_its_version_of_the_api() -> None:
    assert http_options("auth_tokens/x").api_version == "v1alpha"
    assert http_options("key").api_version is None
