"""The persona file that an operator edits."""

from pathlib import Path

import pytest

from bot.persona import farewell_request, greeting_request, load_persona
from podline.errors import ConfigInvalid

GOOD = '''
instructions = """
Sell books.
"""
voice = "Puck"
greeting = "Welcome to the bookshop!"
farewell = "Come again!"
language = "en-GB"
'''


@pytest.fixture
def persona_file(tmp_path: Path) -> Path:
    path = tmp_path / "books.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load_persona(path)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_the_default_is_the_shopping_assistant() -> None:
    persona = load_persona(None)

    assert persona.language == "en-US"
    for tool in ("search_products", "save_product", "remove_product", "end_call"):
        assert tool in persona.instructions


def test_a_file_of_ones_own_is_read(persona_file: Path) -> None:
    persona = load_persona(persona_file)

    assert (persona.voice, persona.language, persona.instructions) == ("Puck", "en-GB", "Sell books.")


def test_the_model_is_asked_for_the_greeting_and_the_farewell_of_the_file(persona_file: Path) -> None:
    persona = load_persona(persona_file)

    assert greeting_request(persona).endswith(": “Welcome to the bookshop!”")
    assert farewell_request(persona).endswith(": “Come again!”")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('voice = "Puck"', "voice is missing"),
        ('language = "en-GB"', "language is missing"),
    ],
)
def test_a_missing_key_is_named(persona_file: Path, line: str, said: str) -> None:
    persona_file.write_text(GOOD.replace(line, ""), encoding="utf-8")

    assert f"persona {persona_file}: {said}" in refusal(persona_file)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"Puck"', "7", "voice must be a non-empty string"),
        ('"Puck"', '"the deep one"', "voice must be the name of a Gemini Live voice, such as Aoede"),
        ('"en-GB"', '"English"', "language must be a BCP-47 tag, such as en-US"),
        ('"Come again!"', '"  "', "farewell must be a non-empty string"),
        ("Welcome", "W" * 501, "greeting has 518 characters, at most 500 are allowed"),
        ('voice = "Puck"', 'voice = "Puck"\nvoise = "Puck"', "voise is not a key of a persona"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(
    persona_file: Path, before: str, after: str, said: str
) -> None:
    persona_file.write_text(GOOD.replace(before, after), encoding="utf-8")

    assert said in refusal(persona_file)


def test_all_faults_of_a_file_are_named_at_once(persona_file: Path) -> None:
    persona_file.write_text('voice = "Puck"', encoding="utf-8")

    said = refusal(persona_file)
    assert all(f"{name} is missing" in said for name in ("instructions", "greeting", "farewell", "language"))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refusal(tmp_path / "nobody.toml")

    assert "nobody.toml can't be read (No such file or directory); set PODLINE_PERSONA" in said


@pytest.mark.parametrize("content", [b"voice = ", b"\xff\xfe", b'voice = "a"\nvoice = "b"'])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)

    assert "broken.toml is not a TOML file in UTF-8" in refusal(path)
