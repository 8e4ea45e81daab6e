"""What a person who starts a bot with a wrong environment gets to read."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podline.contract import environment as env
from podline.contract.version import VERSION
from podline.errors import ConfigInvalid
from podline.runner.settings import (
    Channel,
    DailyRoomAccess,
    LiveKitRoomAccess,
    PeerIceServer,
    RunnerSettings,
    read_settings,
)

DAILY = {"DAILY_ROOM_URL": "https://shop.daily.co/room", "DAILY_TOKEN": "daily-secret"}
LIVEKIT = {"LIVEKIT_URL": "wss://shop.livekit.cloud", "LIVEKIT_TOKEN": "livekit-secret"}
CONTROLLER = {
    "PODLINE_CONTROLLER_URL": "http://controller:7860/",
    "PODLINE_LAUNCH_ID": "launch-1",
    "PODLINE_LAUNCH_TOKEN": "launch-secret",
}
COMMON = {
    "SESSION_ID": "call-1",
    "USER_ID": "ana",
}


def read(**changes: str) -> RunnerSettings:
    """RunnerSettings of a bot in a Daily room, with these variables changed."""
    return read_settings({**COMMON, **DAILY, **changes})


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read_settings(environment)
    return str(caught.value)


def test_a_bot_in_a_daily_room_runs_without_a_controller() -> None:
    settings = read()

    assert settings.room == DailyRoomAccess("https://shop.daily.co/room", "daily-secret")
    assert settings.channel is None


def test_what_is_not_set_has_the_defaults_of_the_design() -> None:
    settings = read()

    assert (settings.max_duration_seconds, settings.grace_seconds) == (1800, 30)
    assert (settings.no_caller_seconds, settings.return_grace_seconds, settings.idle_seconds) == (60, 10, 300)
    assert settings.mute_seconds == 8
    assert (settings.ice_servers, settings.refuse_private_candidates) == ((), False)


def test_every_variable_lands_in_its_field() -> None:
    settings = read(
        PODLINE_MAX_DURATION_SECONDS="600",
        PODLINE_GRACE_SECONDS="3",
        PODLINE_NO_CALLER_SECONDS="20",
        PODLINE_RETURN_GRACE_SECONDS="0",
        PODLINE_IDLE_SECONDS="90",
        PODLINE_MUTE_SECONDS="0",
        PODLINE_REFUSE_PRIVATE_CANDIDATES="true",
        PODLINE_LAST_WORD="/dev/termination-log",
        **CONTROLLER,
    )

    assert settings.channel == Channel("http://controller:7860", "launch-1", "launch-secret")
    assert (settings.max_duration_seconds, settings.grace_seconds) == (600, 3)
    assert (settings.no_caller_seconds, settings.return_grace_seconds, settings.idle_seconds) == (20, 0, 90)
    assert settings.mute_seconds == 0
    assert settings.refuse_private_candidates is True


def test_all_that_is_wrong_is_said_in_one_line() -> None:
    said = refusal(
        {
            "USER_ID": "ana",
            "DAILY_ROOM_URL": "ftp://x",
            "PODLINE_TRANSPORT": "daily",
            "PODLINE_IDLE_SECONDS": "nan",
            "PODLINE_MUTE_SECONDS": "0.5",
            "PODLINE_GRACE_SECONDS": "-1",
            "PODLINE_REFUSE_PRIVATE_CANDIDATES": "perhaps",
        }
    )

    assert said == (
        "config_invalid: SESSION_ID is missing; "
        'DAILY_ROOM_URL is "ftp://x", which is not an http(s) URL; '
        "DAILY_TOKEN is missing; "
        'PODLINE_REFUSE_PRIVATE_CANDIDATES is "perhaps", but should be a valid boolean; '
        'PODLINE_GRACE_SECONDS is "-1", but should be greater than or equal to 0; '
        'PODLINE_IDLE_SECONDS is "nan", but should be a finite number; '
        "PODLINE_MUTE_SECONDS is 0.5, in which few models answer; use at least 2, or 0 for no limit; "
        "correct this and start again."
    )


def test_an_empty_environment_names_every_required_variable() -> None:
    said = refusal({})

    for name in (*COMMON, *CONTROLLER):
        assert f"{name} is missing" in said


def test_a_refused_environment_exits_with_64() -> None:
    with pytest.raises(ConfigInvalid) as caught:
        read_settings({})

    assert caught.value.reason == "config_invalid"


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_value_counts_as_missing(blank: str) -> None:
    said = refusal({**COMMON, **DAILY, "DAILY_TOKEN": blank, "PODLINE_TRANSPORT": "daily"})

    assert "DAILY_TOKEN is missing" in said


def test_the_newline_that_a_secret_file_ends_with_is_no_part_of_a_token() -> None:
    assert read(DAILY_TOKEN="daily-secret\n").room == DailyRoomAccess(DAILY["DAILY_ROOM_URL"], "daily-secret")


@pytest.mark.parametrize("value", ["AIzaSecret", "ftp://bo:secret@host"])
def test_a_secret_in_the_variable_of_an_address_is_not_repeated(value: str) -> None:
    said = refusal({**COMMON, **DAILY, "DAILY_ROOM_URL": value})

    assert "DAILY_ROOM_URL is not an http(s) URL" in said
    assert "ecret" not in said


@pytest.mark.parametrize(
    "url", ["http://", "https://a b", "http://x:99999", "http://x:0", "http://[", "https://x/?key=1", "//x"]
)
def test_half_an_address_is_refused(url: str) -> None:
    assert "DAILY_ROOM_URL" in refusal({**COMMON, **DAILY, "DAILY_ROOM_URL": url})


def test_no_secret_stands_in_the_printed_settings() -> None:
    printed = repr(read(**CONTROLLER)) + repr(read_settings({**COMMON, **LIVEKIT}))

    assert "secret" not in printed
    assert "call-1" in printed


def test_the_transport_is_the_one_whose_variables_are_there() -> None:
    assert read_settings({**COMMON, **LIVEKIT}).room == LiveKitRoomAccess(
        "wss://shop.livekit.cloud", "livekit-secret"
    )
    assert read_settings({**COMMON, **CONTROLLER}).room is None


def test_a_livekit_address_without_a_token_does_not_disturb_a_daily_call() -> None:
    assert isinstance(read(LIVEKIT_URL=LIVEKIT["LIVEKIT_URL"]).room, DailyRoomAccess)


def test_half_a_room_names_the_other_half() -> None:
    said = refusal({**COMMON, "DAILY_ROOM_URL": DAILY["DAILY_ROOM_URL"]})

    assert said == "config_invalid: DAILY_TOKEN is missing; correct this and start again."


def test_stun_and_turn_servers_are_those_of_the_controller() -> None:
    text = '{"iceServers": [{"urls": "stun:a"}, {"urls": "turn:b", "username": "c", "credential": "hush"}]}'

    servers = read(PODLINE_ICE_CONFIG=text).ice_servers

    assert servers == (PeerIceServer("stun:a"), PeerIceServer("turn:b", "c", "hush"))
    assert "hush" not in repr(servers)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"iceServers": 5}', '{"iceServers": [{"url": "hush"}]}'])
def test_servers_that_cannot_be_read_are_named_and_not_shown(text: str) -> None:
    said = refusal({**COMMON, **DAILY, "PODLINE_ICE_CONFIG": text})

    assert "PODLINE_ICE_CONFIG is not the JSON of a browser's iceServers" in said
    assert "hush" not in said


def test_two_rooms_need_a_choice() -> None:
    assert "PODLINE_TRANSPORT must be daily or livekit" in refusal({**COMMON, **DAILY, **LIVEKIT})
    assert isinstance(read(**LIVEKIT, PODLINE_TRANSPORT="livekit").room, LiveKitRoomAccess)


def test_webrtc_needs_the_controller_that_brings_its_offers() -> None:
    said = refusal(COMMON)

    assert "PODLINE_CONTROLLER_URL is missing (webrtc needs it: offers come through the controller)" in said


def test_a_controller_needs_the_launch_and_its_token() -> None:
    said = refusal({**COMMON, **DAILY, "PODLINE_CONTROLLER_URL": "http://controller"})

    assert "PODLINE_LAUNCH_ID is missing; PODLINE_LAUNCH_TOKEN is missing" in said


def test_an_unknown_transport_is_named() -> None:
    said = refusal({**COMMON, **DAILY, "PODLINE_TRANSPORT": "zoom"})

    assert 'PODLINE_TRANSPORT is "zoom", not daily, livekit or webrtc' in said


def test_a_controller_of_another_contract_is_named() -> None:
    assert read().contract == read(PODLINE_CONTRACT="1").contract == 1

    said = refusal({**COMMON, **DAILY, "PODLINE_CONTRACT": "2"})

    assert f"PODLINE_CONTRACT is contract 2, but Podline {VERSION} speaks 1" in said
    assert "use the runner of the controller's release" in said


@pytest.mark.parametrize("session_id", [".", "..", "a/b", "a b", "ü", "x" * 129])
def test_a_session_id_that_no_path_can_carry_is_refused(session_id: str) -> None:
    assert "SESSION_ID" in refusal({**COMMON, **DAILY, "SESSION_ID": session_id})


@pytest.mark.parametrize("user_id", ["ana", "Ἀθηνᾶ", "user|42@a", "x" * 128, "\u0915\u094d\u200d\u0937"])
def test_a_user_id_may_be_of_any_script(user_id: str) -> None:
    assert read(USER_ID=user_id).user_id == user_id


@pytest.mark.parametrize("user_id", ["a\nb", "a\x00", "x" * 129, "\u2028a"])
def test_a_user_id_with_control_characters_or_too_long_is_refused(user_id: str) -> None:
    assert "USER_ID is not 1 to 128 printable characters" in refusal({**COMMON, **DAILY, "USER_ID": user_id})


PYDANTIC_REQUIRES = {"annotated_types", "pydantic_core", "typing_extensions", "typing_inspection"}
NAMES = [value for name, value in vars(env).items() if name.isupper() and isinstance(value, str)]


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40)))
def test_any_environment_gives_settings_or_one_line(environment: dict[str, str]) -> None:
    try:
        read_settings(environment)
    except ConfigInvalid as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - both outcomes are right


def test_reading_settings_loads_nothing_heavier_than_pydantic() -> None:
    code = (
        "import sys; before = set(sys.modules); import podline.runner.settings;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603

    loaded = {name for name in done.stdout.split() if not name.startswith("_sysconfigdata")}
    assert loaded - sys.stdlib_module_names <= {"podline", "pydantic", *PYDANTIC_REQUIRES}
