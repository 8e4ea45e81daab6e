"""What tokens cost: each kind at its own price, by the day, from a file whose faults are named."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.observe.prices import InvalidPricesError, PriceList, read_prices, split
from podline.contract.usage import Tokens, Usage

EXAMPLE = Path(__file__).parents[4] / "deploy" / "prices.example.toml"
ENTRY = """
[[prices]]
model = "gemini-3.8-live"
from = 2026-01-01
input = { text = 1.0, audio = 10.0 }
output = { text = 100.0, audio = 1000.0 }
"""
FILE = 'currency = "EUR"\n' + ENTRY
DAY = date(2026, 6, 1)
COUNTS = st.integers(0, 1000)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def prices(tmp_path: Path, text: str = FILE) -> PriceList:
    return read_prices(written(tmp_path, text))


@given(st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_however_parts_and_wholes_are_told_each_token_is_counted_once(tokens: Tokens) -> None:
    counts = dict(split(tokens))

    assert all(count >= 0 for count in counts.values())
    inputs = sum(count for (direction, _), count in counts.items() if direction.endswith("input"))
    assert inputs == tokens.prompt_tokens
    assert sum(counts.values()) - inputs == tokens.completion_tokens


def test_what_contains_what_is_taken_apart() -> None:
    tokens = Tokens(
        prompt_tokens=100,
        input_audio_tokens=70,
        cache_read_input_tokens=50,
        cache_read_input_audio_tokens=40,
        completion_tokens=30,
        output_audio_tokens=20,
        reasoning_tokens=7,
    )

    assert dict(split(tokens)) == {
        ("input", "text"): 20,
        ("input", "audio"): 30,
        ("cached_input", "text"): 10,
        ("cached_input", "audio"): 40,
        ("output", "text"): 3,
        ("output", "audio"): 20,
        ("reasoning", "text"): 7,
    }


def test_each_modality_has_its_price_for_a_million(tmp_path: Path) -> None:
    tokens = Tokens(
        prompt_tokens=3_000_000, input_audio_tokens=2_000_000, completion_tokens=5, output_audio_tokens=4
    )

    amount = prices(tmp_path).amount("gemini-3.8-live", tokens, DAY)
    assert amount == pytest.approx(1 + 20 + 100e-6 + 4 * 1000e-6)


def test_cached_and_reasoning_tokens_may_have_prices_of_their_own(tmp_path: Path) -> None:
    tokens = Tokens(
        prompt_tokens=1_000_000,
        cache_read_input_tokens=1_000_000,
        completion_tokens=1_000_000,
        reasoning_tokens=1_000_000,
    )
    own = FILE + "cached_input = { text = 0.25, audio = 2.5 }\nreasoning = 7\n"

    assert prices(tmp_path).amount("gemini-3.8-live", tokens, DAY) == pytest.approx(101)
    assert prices(tmp_path, own).amount("gemini-3.8-live", tokens, DAY) == pytest.approx(7.25)


@pytest.mark.parametrize(
    ("day", "amount"),
    [
        (date(2025, 12, 31), None),
        (date(2026, 1, 1), 1.0),
        (date(2026, 6, 30), 1.0),
        (date(2026, 7, 1), 2.0),
        (date(2030, 1, 1), 2.0),
    ],
)
def test_the_price_is_the_one_that_holds_on_the_day(tmp_path: Path, day: date, amount: float | None) -> None:
    later = ENTRY.replace("2026-01-01", "2026-07-01").replace("text = 1.0", "text = 2.0")
    tokens = Tokens(prompt_tokens=1_000_000)

    assert prices(tmp_path, FILE + later).amount("gemini-3.8-live", tokens, day) == amount


def test_a_model_nobody_priced_is_named_and_costs_nothing(tmp_path: Path) -> None:
    million = Tokens(prompt_tokens=1_000_000)
    cost = prices(tmp_path).cost(Usage(models={"gemini-3.8-live": million, "new": million}), DAY)

    assert (cost.currency, cost.amount) == ("EUR", 1.0)
    assert cost.models == {"gemini-3.8-live": 1.0}
    assert cost.unpriced_models == ("new",)


def test_the_example_is_valid_and_says_that_it_is_one() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert "EXAMPLES" in text
    assert "Check" in text
    assert read_prices(EXAMPLE).models == {"gemini-3.8-live"}
    assert len(read_prices_uncommented(text)) == 2


def read_prices_uncommented(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.lstrip("# ").startswith("model = ")]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("currency = EUR", "line 1"),
        ('currency = "EUR"', "`prices`"),
        ('currency = "euro"' + ENTRY, "$.currency"),
        (FILE + "more = 1\n", "`more` - at `$.prices[0]`"),
        (FILE.replace("text = 1.0", "text = -1"), "$.prices[0].input.text"),
        (FILE.replace("text = 1.0", "text = nan"), "$.prices[0].input.text"),
        (FILE.replace("text = 1.0", 'text = "1"'), "$.prices[0].input.text"),
        (FILE.replace("text = 1.0, ", ""), "`text` - at `$.prices[0].input`"),
        (FILE.replace("2026-01-01", '"soon"'), "$.prices[0].from"),
        (FILE.replace("from = 2026-01-01\n", ""), "`from` - at `$.prices[0]`"),
        (FILE + ENTRY, "$.prices[1]"),
        (FILE + ENTRY.replace('"gemini', '"models/gemini'), "$.prices[1]"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_the_place_named(
    tmp_path: Path, text: str, position: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidPricesError) as refusal:
        read_prices(path)

    assert str(path) in str(refusal.value)
    assert position in str(refusal.value)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPricesError, match="No such file"):
        read_prices(tmp_path / "none.toml")
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidPricesError, match="not valid TOML"):
        read_prices(path)
