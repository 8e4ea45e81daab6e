"""The controller's settings: what is read, and what is refused."""

import pytest
from pydantic import ValidationError

from controller.settings import BOTS_PORT, Settings
from controller.settings.settings import complaint_about
from controller.web.http.listeners import bind, with_bots_port
from testing.processes import free_port
from testing.settings import settings_of

LIVEKIT = {"rooms": "livekit", "LIVEKIT_URL": "ws://a", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}
EPHEMERAL = {"gemini_ephemeral_tokens": True, "GOOGLE_API_KEY": "key"}


def test_an_env_file_may_hold_the_bots_variables_and_empty_lines() -> None:
    settings = Settings.read(
        {
            "GOOGLE_API_KEY": "x",
            "CONVEX_URL": "https://shop.convex.site",
            "PODLINE_STOP_SECS": "0.8",
            "PODLINE_PORT": "8000",
            "PODLINE_PUBLIC_URL": "",
            "PODLINE_HOST": None,
            "PODLINE_ICE_SERVERS": "stun:a, stun:b",
        }
    )

    assert (settings.listeners.port, settings.listeners.public_url) == (8000, None)
    assert settings.webrtc.ice_servers == ("stun:a", "stun:b")
    assert settings.listeners.url_for_callers == settings.listeners.url_for_bots == "http://127.0.0.1:8000"


def test_the_environment_overrules_the_file_in_any_case_and_an_empty_value_overrules_nothing() -> None:
    file = {"PODLINE_PORT": "8000", "PODLINE_CAPACITY": "3", "DAILY_API_KEY": "of the file"}
    settings = Settings.read(file, {"podline_port": "9000", "PODLINE_CAPACITY": "", "daily_api_key": "ours"})

    assert (settings.listeners.port, settings.limits.capacity) == (9000, 3)
    assert settings.daily.api_key is not None
    assert settings.daily.api_key.get_secret_value() == "ours"


def test_each_wrong_variable_of_all_groups_is_named() -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(port="loud", capacity=0, ice_servers="turn:turn.example.com")
    said = complaint_about(caught.value)

    assert said == (
        "PODLINE_TURN_SECRET and a turn: or turns: server in PODLINE_ICE_SERVERS must be set together: "
        "callers' passwords are derived from the secret; PODLINE_PORT: Input should be a valid integer, "
        "unable to parse string as an integer; PODLINE_CAPACITY: Input should be greater than 0."
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"port": 0}, "PODLINE_PORT: Input should be greater than or equal to 1."),
        ({"capacity": 0}, "PODLINE_CAPACITY: Input should be greater than 0."),
        (
            {"metrics_port": 7860},
            "PODLINE_METRICS_PORT: leave it out to have /metrics on PODLINE_PORT as well.",
        ),
        (
            {"bots_port": 7860},
            "PODLINE_BOTS_PORT: bots need a port of their own, other than those of callers and metrics.",
        ),
        (
            {"bots_port": 9464, "metrics_port": 9464},
            "PODLINE_BOTS_PORT: bots need a port of their own, other than those of callers and metrics.",
        ),
        (
            {"controller_url": "http://127.0.0.1:7860"},
            "PODLINE_CONTROLLER_URL needs PODLINE_BOTS_PORT: it must lead to the port for bots.",
        ),
        (
            {"ice_servers": "turn:key@turn.example.com", "turn_secret": "hush"},
            (
                "PODLINE_ICE_SERVERS: a server looks like stun:stun.example.com:3478 or "
                "turns:turn.example.com?transport=tcp."
            ),
        ),
        (
            LIVEKIT | {"ice_servers": "stun:stun.example.com"},
            "PODLINE_ICE_SERVERS is for PODLINE_ROOMS=webrtc: LiveKit and Daily bring their own.",
        ),
        (
            {"ice_servers": "turn:turn.example.com"},
            (
                "PODLINE_TURN_SECRET and a turn: or turns: server in PODLINE_ICE_SERVERS must be "
                "set together: callers' passwords are derived from the secret."
            ),
        ),
        (
            {"host": "0.0.0.0"},
            "PODLINE_HOST=0.0.0.0 is open to others: set PODLINE_KEYS_FILE, or listen on 127.0.0.1.",
        ),
        (
            {"rooms": "daily"},
            "PODLINE_ROOMS=daily needs DAILY_API_KEY: a key from https://dashboard.daily.co/developers.",
        ),
        (
            {"rooms": "livekit"},
            "PODLINE_ROOMS=livekit needs LIVEKIT_URL: where it is, such as wss://livekit.example.com.",
        ),
        (
            {**LIVEKIT, "LIVEKIT_API_SECRET": ""},
            "PODLINE_ROOMS=livekit needs LIVEKIT_API_SECRET: the secret of that key.",
        ),
        (
            {"budget_cost": 1},
            "PODLINE_BUDGET_COST needs PODLINE_PRICES_FILE: without prices nothing has a cost.",
        ),
        (
            {"max_budget_cost": 1},
            "PODLINE_MAX_BUDGET_COST needs PODLINE_PRICES_FILE: without prices nothing has a cost.",
        ),
        (
            {"budget_tokens": 2, "max_budget_tokens": 1},
            "PODLINE_BUDGET_TOKENS is above PODLINE_MAX_BUDGET_TOKENS: lower it or raise the maximum.",
        ),
        ({"budget_tokens": -1}, "PODLINE_BUDGET_TOKENS: Input should be greater than 0."),
        (
            {"prices_file": "p.toml", "budget_cost": "nan"},
            "PODLINE_BUDGET_COST: Input should be a finite number.",
        ),
        ({**LIVEKIT, "LIVEKIT_URL": "livekit"}, "LIVEKIT_URL: it looks like wss://livekit.example.com."),
        (
            {**LIVEKIT, "LIVEKIT_PUBLIC_URL": "wss://key:secret@livekit"},
            "LIVEKIT_PUBLIC_URL: it looks like wss://livekit.example.com.",
        ),
        (
            {"store_secret": "x" * 31},
            "PODLINE_STORE_SECRET: use 32 bytes or more, such as the output of `openssl rand -hex 32`.",
        ),
        (
            {"gemini_ephemeral_tokens": True},
            "PODLINE_GEMINI_EPHEMERAL_TOKENS=true needs GOOGLE_API_KEY to request the tokens.",
        ),
        (
            EPHEMERAL | {"GOOGLE_GEMINI_BASE_URL": "http://gemini.example.com"},
            (
                "GOOGLE_GEMINI_BASE_URL: with PODLINE_GEMINI_EPHEMERAL_TOKENS=true the key is sent there; "
                "use an https address, or an http address of this machine."
            ),
        ),
        (
            EPHEMERAL | {"max_duration_seconds": 72_000},
            (
                "PODLINE_GEMINI_EPHEMERAL_TOKENS=true: Google's tokens last less than 20 hours; "
                "set PODLINE_MAX_DURATION_SECONDS to 68400 or less."
            ),
        ),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(**values)
    assert complaint_about(caught.value) == said


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.2.1"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert settings_of(host=host).listeners.host == host


def test_an_open_address_is_fine_with_keys() -> None:
    settings = settings_of(host="0.0.0.0", keys_file="/keys.json")
    assert settings.listeners.url_for_bots == "http://127.0.0.1:7860"


def test_bots_have_a_port_of_their_own_which_in_a_cluster_is_always_the_same() -> None:
    in_cluster = {
        "runtime": "kubernetes",
        "job_template": "bot-job.yaml",
        "controller_url": "http://podline:7861",
        "secret": "hush, or nobody is safe",
    }
    assert settings_of(**in_cluster).bots_port_wanted == BOTS_PORT
    assert settings_of(**in_cluster, bots_port=8000).bots_port_wanted == 8000
    assert settings_of().bots_port_wanted is None
    assert settings_of(bots_port=8000).listeners.url_for_bots == "http://127.0.0.1:8000"


def test_any_free_port_of_this_machine_will_do_for_local_bots() -> None:
    settings = settings_of(host="0.0.0.0", port=free_port(), keys_file="/keys.json")
    sockets = bind(settings)
    try:
        bound = with_bots_port(settings, sockets)
        assert sockets.bots[0].getsockname() == ("127.0.0.1", bound.listeners.bots_port)
        assert bound.listeners.url_for_bots == f"http://127.0.0.1:{bound.listeners.bots_port}"
        sockets.public[0].listen()
        with pytest.raises(OSError, match=rf"\('0.0.0.0', {settings.listeners.port}\)"):
            bind(settings)
    finally:
        for each in (*sockets.public, *sockets.bots):
            each.close()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"secret": "fifteen letters"}, "PODLINE_SECRET: use at least 16 characters"),
        (
            {"secret": "s" * 16, "previous_secrets": "short, but two"},
            "PODLINE_PREVIOUS_SECRETS: use at least 16 characters",
        ),
        ({"previous_secrets": "s" * 16}, "PODLINE_PREVIOUS_SECRETS only verifies tokens: set PODLINE_SECRET"),
        ({"identity_keys_file": "/jwks.json"}, "PODLINE_IDENTITY_AUDIENCE must be set together"),
        (
            {"identity_issuer": "https://shop.example.com", "identity_audience": "podline"},
            "PODLINE_IDENTITY_AUDIENCE must be set together",
        ),
    ],
)
def test_secrets_that_protect_nobody_are_refused(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings_of(**values)
    complaint = complaint_about(caught.value)
    assert said in complaint
    assert "fifteen" not in complaint


def test_previous_secrets_come_with_commas_between() -> None:
    settings = settings_of(secret="c" * 16, previous_secrets=f"{'b' * 16}, {'a' * 16}")
    assert [each.get_secret_value() for each in settings.access.previous_secrets] == ["b" * 16, "a" * 16]
    assert "aaaa" not in repr(settings)


def test_the_secret_is_not_shown_with_the_settings() -> None:
    secrets = {
        "secret": "hush" * 8,
        "turn_secret": "hush",
        "store_secret": "hush" * 8,
        "GOOGLE_API_KEY": "hush",
    }
    settings = settings_of(ice_servers="turn:a", **secrets)
    assert "hush" not in repr(settings)
