"""A bot in a file of its own."""

import sys
from pathlib import Path

import pytest

from podline.errors import ConfigInvalid
from podline.runner.bot_file import find_bot_file, load_bot_file


@pytest.fixture
def bot_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, "podline_bot", sys)  # restored afterwards
    return tmp_path / "bot.py"


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


def test_a_file_without_a_bot_is_named(bot_file: Path) -> None:
    bot_file.write_text("def main(): ...")

    with pytest.raises(ConfigInvalid, match=r"bot\.py has no bot: define `async def bot\(runner_args\)`"):
        load_bot_file(bot_file)
