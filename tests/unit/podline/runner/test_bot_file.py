"""A bot in a file of its own."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podline.errors import ConfigInvalid
from podline.runner.bot_file import find_bot_file, load_bot_file


@pytest.fixture
def bot_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    modules = set(sys.modules)
    yield tmp_path / "bot.py"
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_the_first_file_that_exists_is_the_bots(bot_file: Path) -> None:
    bot_file.write_text("")

    assert find_bot_file({}, [bot_file.with_name("other.py"), bot_file]) == bot_file


def test_where_no_file_exists_all_that_were_looked_for_are_named(bot_file: Path) -> None:
    with pytest.raises(ConfigInvalid, match=f"neither {bot_file} nor /nowhere/bot.py exists"):
        find_bot_file({}, [bot_file, Path("/nowhere/bot.py")])


def test_a_bot_may_import_its_neighbours(bot_file: Path) -> None:
    bot_file.with_name("its_neighbour.py").write_text("NAME = 'Ana'")
    bot_file.write_text("from its_neighbour import NAME\n\nasync def bot(runner_args):\n    return NAME\n")

    assert load_bot_file(bot_file).entry_point.__globals__["NAME"] == "Ana"


def test_a_bot_in_a_package_imports_as_that_package_does(tmp_path: Path, bot_file: Path) -> None:
    package = tmp_path / "a_shop" / "bots"
    package.mkdir(parents=True)
    for directory in (package, package.parent):
        (directory / "__init__.py").write_text("")
    (package / "names.py").write_text("NAME = 'Ana'")
    inner = package / bot_file.name
    inner.write_text("from a_shop.bots.names import NAME\n\nasync def bot(runner_args): ...\n")

    assert load_bot_file(inner).entry_point.__globals__["NAME"] == "Ana"


def test_a_bot_in_a_package_may_import_relative_to_it(tmp_path: Path, bot_file: Path) -> None:
    package = tmp_path / "a_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "names.py").write_text("NAME = 'Ana'")
    inner = package / bot_file.name
    inner.write_text("from .names import NAME\n\nasync def bot(runner_args): ...\n")

    assert load_bot_file(inner).entry_point.__globals__["NAME"] == "Ana"


def test_a_bot_s_other_files_find_it_under_its_own_name(bot_file: Path) -> None:
    named = bot_file.with_name("an_assistant.py")
    named.with_name("a_helper.py").write_text(
        "def bot():\n    import an_assistant\n    return an_assistant.bot\n"
    )
    named.write_text("import a_helper\n\nasync def bot(runner_args): ...\n")

    entry_point = load_bot_file(named).entry_point

    assert entry_point.__globals__["a_helper"].bot() is entry_point


@pytest.mark.parametrize("name", ["json.py", "an-assistant.py"])
def test_a_bot_s_file_may_have_any_name(bot_file: Path, name: str) -> None:
    named = bot_file.with_name(name)
    named.write_text("async def bot(runner_args): ...\n")

    assert load_bot_file(named).entry_point.__module__ == "podline_bot"


def test_a_bot_may_stand_beside_a_package_of_its_name(bot_file: Path) -> None:
    named = bot_file.with_name("an_assistant.py")
    package = named.with_suffix("")
    package.mkdir()
    (package / "__init__.py").write_text("NAME = 'Ana'")
    named.write_text("from an_assistant import NAME\n\nasync def bot(runner_args): ...\n")

    assert load_bot_file(named).entry_point.__globals__["NAME"] == "Ana"


def test_a_file_without_a_bot_is_named(bot_file: Path) -> None:
    bot_file.write_text("def main(): ...")

    with pytest.raises(ConfigInvalid, match=r"bot\.py has no bot: define `async def bot\(runner_args\)`"):
        load_bot_file(bot_file)
