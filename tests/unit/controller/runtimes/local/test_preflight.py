"""What the assistant lacks on this machine, said before its first caller finds out."""

from pathlib import Path

import pytest

from bot.settings import read_settings
from controller.core.agents import BUILT_IN, AgentDefinition, AgentHome, AgentVersion
from controller.runtimes.local.preflight import LocalPreflight
from podline.errors import WrongVariables

WHOLE = {"GOOGLE_API_KEY": "a-key", "CONVEX_URL": "https://shop.convex.site"}
OTHER = AgentVersion(definition=AgentDefinition(name="other"), serial=1)
HOME = AgentHome(directory=Path("agents/shopping"))


def nowhere(_agent: AgentVersion) -> AgentHome | None:
    return None


def unreadable(_agent: AgentVersion) -> AgentHome | None:
    raise OSError("its secret set can't be read")


@pytest.mark.parametrize("missing", [("GOOGLE_API_KEY",), ("CONVEX_URL",), ("GOOGLE_API_KEY", "CONVEX_URL")])
def test_it_misses_what_the_assistant_itself_would(missing: tuple[str, ...]) -> None:
    variables = {name: " " if name in missing else value for name, value in WHOLE.items()}
    problem = LocalPreflight(variables, nowhere).problem_of(BUILT_IN)
    with pytest.raises(WrongVariables) as refused:
        read_settings(variables)

    assert problem is not None
    assert [name for name in WHOLE if name in problem] == list(missing)
    assert [each.split()[0] for each in refused.value.problems] == list(missing)
    assert all(remedy in problem for remedy in (".env.example", "podline serve", "scripts/demo"))


def test_the_assistant_with_all_it_needs_is_fine() -> None:
    assert read_settings(WHOLE).google_api_key == WHOLE["GOOGLE_API_KEY"]
    assert LocalPreflight(WHOLE, nowhere).problem_of(BUILT_IN) is None


def test_the_former_name_of_the_key_is_recognised() -> None:
    problem = LocalPreflight({"GEMINI_API_KEY": "a-key"}, nowhere).problem_of(BUILT_IN)

    assert problem is not None
    assert "GEMINI_API_KEY is set: rename it" in problem
    assert "a-key" not in problem


def test_nothing_is_known_of_any_other_bot() -> None:
    """Another agent has keys of other providers, and so may a bot that takes the assistant's name."""
    assert LocalPreflight({}, nowhere).problem_of(OTHER) is None
    assert LocalPreflight({}, lambda _: HOME).problem_of(BUILT_IN) is None
    assert LocalPreflight({}, unreadable).problem_of(BUILT_IN) is None
