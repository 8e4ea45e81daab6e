"""The documents that list the settings, and what they promise."""

import re
from pathlib import Path

import pytest

import bot.settings
from bot.settings import ShoppingSettings
from controller.settings import Settings
from controller.settings.bots import PASSED_ON, TRACES
from controller.settings.variables import variables_of
from podline.contract import environment
from podline.runner import settings as runner
from podline.runner.settings import RunnerSettings
from testing.settings import settings_of
from testing.settings_reference import ROOT, generated

FILES = generated()
LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
OWN = {each.name: each for group in Settings.groups() for each in variables_of(group)}


def example() -> str:
    return (ROOT / ".env.example").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_committed_is_what_would_be_made(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == FILES[path], "run scripts/generate"


def test_the_example_holds_each_variable_once_and_no_other() -> None:
    listed = [name for name, _ in LINE.findall(example())]
    of_traces = {each.name for each in TRACES}
    assert sorted(listed) == sorted(OWN.keys() | set(environment.SHARED) | of_traces)


def test_the_example_shows_the_defaults() -> None:
    shown = dict(LINE.findall(example()))
    assert settings_of(**{name: shown[name] for name, each in OWN.items() if each.default is not None}) == (
        settings_of()
    )


def test_the_examples_of_variables_without_a_default_can_be_used(tmp_path: Path) -> None:
    # Those that need another variable are set with it.
    shown = {name: value for name, value in LINE.findall(example()) if name in OWN and value}
    shown |= {
        "PODLINE_TURN_SECRET": "hush",
        "PODLINE_PERSONAS": str(tmp_path),
        "PODLINE_AGENTS": str(tmp_path),
    }
    settings_of(**shown)


def test_the_examples_uncommented_lines_are_all_an_operator_must_fill_in() -> None:
    assert re.findall(r"^([A-Z_]+)=", example(), re.MULTILINE) == ["GOOGLE_API_KEY", "CONVEX_URL"]


def test_the_documented_defaults_of_bots_are_those_that_bots_have() -> None:
    least = {
        "SESSION_ID": "one",
        "USER_ID": "ana",
        "GOOGLE_API_KEY": "key",
        "CONVEX_URL": "https://shop.convex.site",
        "DAILY_ROOM_URL": "https://shop.daily.co/room",
        "DAILY_TOKEN": "token",
    }
    documented = {each.name: each.default for each in PASSED_ON if each.default is not None}

    assert read_both(least | documented) == read_both(least)
    for name, default in documented.items():
        assert read_both(least | {name: str(float(default) + 1)}) != read_both(least), (
            f"bots don't read {name}"
        )


def read_both(variables: dict[str, str]) -> tuple[RunnerSettings, ShoppingSettings]:
    return runner.read_settings(variables), bot.settings.read_settings(variables)
