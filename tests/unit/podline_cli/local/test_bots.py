"""Which bot `podline dev` runs, and as which agent."""

from pathlib import Path

import pytest

from controller.agents.files import AgentFiles
from podline_cli.errors import CommandError
from podline_cli.local.bots import find_bot, place_among_agents, variables_for, write_variables


def write(file: Path, text: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_the_bot_in_this_directory_is_found_without_a_name(tmp_path: Path) -> None:
    file = write(tmp_path / "clerk" / "bot.py")
    bot = find_bot(None, file.parent)

    assert bot is not None
    assert (bot.name, bot.file) == ("clerk", file)


def test_without_a_bot_here_there_is_none_and_a_wrong_name_is_an_error(tmp_path: Path) -> None:
    assert find_bot(None, tmp_path) is None
    with pytest.raises(CommandError, match="There is no bot at elsewhere"):
        find_bot(Path("elsewhere"), tmp_path)


def test_a_project_of_pipecat_init_is_a_bot(tmp_path: Path) -> None:
    file = write(tmp_path / "realtime" / "server" / "bot.py")
    write(file.parent / "pcc-deploy.toml", 'agent_name = "clerk"\nsecret_set = "clerk-keys"\n')
    bot = find_bot(Path("realtime"), tmp_path)

    assert bot is not None
    assert (bot.name, bot.secret_set, bot.file) == ("clerk", "clerk-keys", file)


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("My Bot!", "my-bot"),
        ("shopping", "bot"),
        ("secrets", "bot"),
        ("started", "bot"),
        ("x" * 60, "x" * 40),
    ],
)
def test_a_directory_of_any_name_makes_an_agent_that_controllers_accept(
    tmp_path: Path, directory: str, name: str
) -> None:
    write(tmp_path / directory / "bot.py")
    bot = find_bot(Path(directory), tmp_path)

    assert bot is not None
    assert bot.name == name


@pytest.mark.parametrize("file", ["bot.py", "07-interruptible.py"])
def test_a_controller_runs_the_placed_bot_with_its_variables(tmp_path: Path, file: str) -> None:
    write(tmp_path / "clerk" / file, "first")
    agents = tmp_path / "agents"
    bot = find_bot(Path("clerk") / file, tmp_path)
    assert bot is not None
    place_among_agents(bot, agents)
    write_variables(bot, agents, {"GOOGLE_API_KEY": "it's \\ secret"})
    bot.file.write_text("edited")

    files = AgentFiles(agents)
    home = files.home_of(files.current("clerk"))

    assert home is not None
    assert (home.directory / "bot.py").read_text() == "edited"
    assert home.secret_set == {"GOOGLE_API_KEY": "it's \\ secret"}


def test_a_bot_gets_the_keys_of_the_shell_that_it_asks_for_and_no_others(tmp_path: Path) -> None:
    file = write(tmp_path / "bot.py")
    write(tmp_path / ".env.example", "# Where the shop is\nSHOP_URL=\n")
    shell = {"SHOP_URL": "http://shop", "OPENAI_API_KEY": "sk-1", "BANK_PIN": "1234", "PODLINE_API_KEY": "k"}
    bot = find_bot(file, tmp_path)

    assert bot is not None
    assert variables_for(bot, shell, {}) == {"SHOP_URL": "http://shop", "OPENAI_API_KEY": "sk-1"}


def test_stand_ins_take_the_place_of_the_shells_keys(tmp_path: Path) -> None:
    bot = find_bot(write(tmp_path / "bot.py"), tmp_path)
    sandbox = {"GOOGLE_API_KEY": "sandbox-1", "DAILY_API_KEY": "sandbox-2"}

    assert bot is not None
    assert variables_for(bot, {"GOOGLE_API_KEY": "real"}, sandbox) == {"GOOGLE_API_KEY": "sandbox-1"}
