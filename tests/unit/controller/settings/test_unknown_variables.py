"""Variables that begin like ours and that nothing reads."""

import re
from pathlib import Path

import pytest

from controller.settings import Settings
from controller.settings.unknown import unknown_variables
from controller.settings.variables import variables_of
from podline.contract import environment
from testing.settings_reference import ROOT

HUSH = "c2VjcmV0LXRoYXQtbm9ib2R5LXNlZXM"
OF_ONE_SESSION = {
    environment.TRANSPORT,
    environment.ICE_CONFIG,
    environment.LAUNCH_ID,
    environment.LAUNCH_TOKEN,
    environment.LAST_WORD,
    environment.FORKS,
    environment.PERSONA,
}
"""The controller writes them for each bot, and reads none of them."""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PODLINE_CAPACITYY", "PODLINE_CAPACITYY is not a setting; did you mean PODLINE_CAPACITY?"),
        ("podline_capacityy", "podline_capacityy is not a setting; did you mean PODLINE_CAPACITY?"),
        ("PODLINE_KEY_FILE", "PODLINE_KEY_FILE is not a setting; did you mean PODLINE_KEYS_FILE?"),
        ("PODLINE_IDLE_SECOND", "PODLINE_IDLE_SECOND is not a setting; did you mean PODLINE_IDLE_SECONDS?"),
        # Bots, unlike the controller, read names as they are written.
        ("podline_stop_secs", "podline_stop_secs is not a setting; did you mean PODLINE_STOP_SECS?"),
        ("PODLINE_LIVEKIT_URL", "PODLINE_LIVEKIT_URL is not a setting; did you mean LIVEKIT_URL?"),
        ("PODLINE_PERSONA", "PODLINE_PERSONA is not a setting; did you mean PODLINE_PERSONAS?"),
        ("PODLINE_QQQQ", "PODLINE_QQQQ is not a setting"),
        ("PODLINE_", "PODLINE_ is not a setting"),
    ],
)
def test_a_variable_that_nothing_reads_is_named_with_the_closest_real_one(name: str, said: str) -> None:
    assert unknown_variables({name: HUSH, "PATH": "/bin"}) == [said]


def test_what_anything_reads_is_not_named() -> None:
    own = [each.name for group in Settings.groups() for each in variables_of(group)]
    names = [*own, *(each.lower() for each in own), *environment.SHARED]
    assert unknown_variables(dict.fromkeys(names, HUSH)) == []


def test_what_scripts_tests_and_the_web_app_read_is_not_named() -> None:
    reading = re.compile(r"""(?:environ(?:\.get)?[(\[]|env\.|\$\{)["']?(PODLINE_[A-Z_]+)""")
    read: set[str] = set()
    for folder in ("scripts", "testing", "tests", "examples/nextjs", "sandbox"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "node_modules" not in path.parts and path != Path(__file__):
                text = path.read_text(encoding="utf-8", errors="ignore")
                read |= set(reading.findall(text))
    assert len(read) > 10
    assert unknown_variables(dict.fromkeys(read - OF_ONE_SESSION, HUSH)) == []


def test_what_kubernetes_and_docker_set_for_services_of_our_name_is_not_named() -> None:
    set_by_others = [
        # A Service `podline`, one `podline-web`, and what comes with a container's link.
        "PODLINE_SERVICE_HOST",
        "PODLINE_SERVICE_PORT",
        "PODLINE_SERVICE_PORT_HTTP",
        "PODLINE_PORT_80_TCP",
        "PODLINE_PORT_80_TCP_PROTO",
        "PODLINE_PORT_80_TCP_PORT",
        "PODLINE_PORT_80_TCP_ADDR",
        "PODLINE_WEB_SERVICE_HOST",
        "PODLINE_WEB_SERVICE_PORT",
        "PODLINE_WEB_PORT",
        "PODLINE_WEB_PORT_3000_TCP",
        "PODLINE_WEB_PORT_53_UDP_ADDR",
        "PODLINE_NAME",
        "PODLINE_ENV_PYTHON_VERSION",
    ]
    assert unknown_variables(dict.fromkeys(set_by_others, "tcp://10.0.0.1:80")) == []


def test_a_name_that_only_looks_like_a_services_is_named() -> None:
    assert unknown_variables({"PODLINE_WEB_PORT": "3000"}) == [
        "PODLINE_WEB_PORT is not a setting; did you mean PODLINE_BOTS_PORT?"
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"PODLINE_CAPACITYY": HUSH},
        {"PODLINE_SECRETT": HUSH},
        # What a line of .env becomes where `=` is missing or another sign stands for it.
        {f"PODLINE_SECRET{HUSH}": None},
        {f"PODLINE_SECRET:{HUSH}": None},
        {f"PODLINE_SECRET:{HUSH}": ""},
        {f"PODLINE_SECRET{HUSH}": ""},
        {f"PODLINE_SECRET_{HUSH}": ""},
        {f"PODLINE_SECRET{HUSH.upper()}": ""},
        {f"podline_turn_secret{HUSH.lower()}": ""},
        {f"PODLINE_STORE_SECRETS{HUSH.upper()}": ""},
        {f"PODLINE_LAUNCH_TOKEN{HUSH.upper()}": ""},
        {f"PODLINE_{HUSH}": ""},
        {f"PODLINE_OTHER {HUSH}": ""},
    ],
)
def test_no_sentence_holds_a_value(variables: dict[str, str | None]) -> None:
    said = unknown_variables(variables)
    assert said
    assert HUSH.lower() not in " ".join(said).lower()


def test_a_line_without_an_equals_sign_is_named_though_its_name_is_a_setting() -> None:
    assert unknown_variables({"PODLINE_CAPACITY": None}) == [
        "a line of .env that begins with PODLINE_ has no `=`"
    ]
