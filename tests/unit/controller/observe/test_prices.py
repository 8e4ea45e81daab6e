"""What tokens cost: each kind at its own price, by the day, from a file whose faults are named."""

import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.observe.prices import InvalidPricesError, PriceList, read_prices, split, units
from podline.contract.usage import ModelUsage, Tokens, Usage, service_key

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


def cost_of(prices: PriceList, used: ModelUsage, on: date = DAY) -> float | None:
    return prices.charged("shopping", None, "gemini-3.8-live", used, on).amount


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
    used = ModelUsage(
        prompt_tokens=3_000_000, input_audio_tokens=2_000_000, completion_tokens=5, output_audio_tokens=4
    )

    amount = cost_of(prices(tmp_path), used)
    assert amount == pytest.approx(1 + 20 + 100e-6 + 4 * 1000e-6)


def test_cached_and_reasoning_tokens_may_have_prices_of_their_own(tmp_path: Path) -> None:
    used = ModelUsage(
        prompt_tokens=1_000_000,
        cache_read_input_tokens=1_000_000,
        completion_tokens=1_000_000,
        reasoning_tokens=1_000_000,
    )
    own = FILE + "cached_input = { text = 0.25, audio = 2.5 }\nreasoning = 7\n"

    assert cost_of(prices(tmp_path), used) == pytest.approx(101)
    assert cost_of(prices(tmp_path, own), used) == pytest.approx(7.25)


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
    used = ModelUsage(prompt_tokens=1_000_000)

    assert cost_of(prices(tmp_path, FILE + later), used, day) == amount


def test_a_model_nobody_priced_is_named_and_costs_nothing(tmp_path: Path) -> None:
    million = ModelUsage(prompt_tokens=1_000_000)
    cost = prices(tmp_path).cost("shopping", Usage(models={"gemini-3.8-live": million, "new": million}), DAY)

    assert (cost.currency, cost.amount) == ("EUR", 1.0)
    assert cost.models == {"gemini-3.8-live": 1.0}
    assert cost.unpriced_models == ("new",)


def test_the_example_is_valid_and_says_that_it_is_one() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert "EXAMPLES" in text
    assert "Check" in text
    assert read_prices(EXAMPLE).models == {"gemini-3.8-live"}


def test_the_example_is_valid_with_all_that_it_shows(tmp_path: Path) -> None:
    shown = re.sub(r"^# (?=\[\[|\w+ = )", "", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)

    list_ = prices(tmp_path, shown)
    assert list_.models == {"gemini-3.8-live", "gpt-4o-transcribe", "gpt-4o-mini-tts", "whisper-large-v3"}
    assert list_.services == {"GroqSTTService"}


SPEECH = """
[[prices]]
model = "whisper"
from = 2026-01-01
audio_minute = 0.6

[[prices]]
model = "whisper"
service = "CheapSTTService"
from = 2026-02-01
audio_minute = 0.06

[[prices]]
model = "voice"
from = 2026-01-01
characters = 12.0
"""
HEARD, SPOKEN = ModelUsage(audio_seconds=90.0), ModelUsage(characters=500_000)


@pytest.mark.parametrize(
    ("service", "model", "used", "amount"),
    [
        ("OpenAISTTService", "whisper", HEARD, 0.9),
        ("CheapSTTService", "whisper", HEARD, 0.09),
        (None, "whisper", HEARD, 0.9),
        ("OpenAITTSService", "voice", SPOKEN, 6.0),
        ("OpenAITTSService", "voice", HEARD, None),
        ("OpenAITTSService", "unheard-of", SPOKEN, None),
    ],
)
def test_audio_costs_by_the_minute_and_speech_by_the_million_characters_of_a_service_or_any(
    tmp_path: Path, service: str | None, model: str, used: ModelUsage, amount: float | None
) -> None:
    charged = prices(tmp_path, FILE + SPEECH).charged("shopping", service, model, used, DAY)

    assert charged.amount == (amount if amount is None else pytest.approx(amount))
    assert charged.unpriced == ({} if amount is not None else units(used))


def test_a_service_whose_own_price_is_still_to_come_pays_that_of_any(tmp_path: Path) -> None:
    list_ = prices(tmp_path, FILE + SPEECH)
    charged = list_.charged("shopping", "CheapSTTService", "whisper", HEARD, date(2026, 1, 5))

    assert charged.amount == pytest.approx(0.9)


def test_a_session_s_cost_is_that_of_its_models_and_of_its_services(tmp_path: Path) -> None:
    usage = Usage(
        models={
            "whisper": ModelUsage(audio_seconds=120.0),
            "voice": SPOKEN,
            "gemini-3.8-live": ModelUsage(prompt_tokens=1_000_000, characters=7),
        },
        services={
            service_key("OpenAISTTService", "whisper"): ModelUsage(audio_seconds=60.0),
            service_key("CheapSTTService", "whisper"): ModelUsage(audio_seconds=60.0),
            service_key("OpenAITTSService", "voice"): SPOKEN,
        },
    )
    cost = prices(tmp_path, FILE + SPEECH).cost("shopping", usage, DAY)

    assert cost.models == {"whisper": 0.66, "voice": 6.0, "gemini-3.8-live": 1.0}
    assert cost.services == {"OpenAISTTService": 0.6, "CheapSTTService": 0.06, "OpenAITTSService": 6.0}
    assert cost.amount == 7.66
    assert cost.unpriced_models == ("gemini-3.8-live",), "its characters"


def test_a_budget_is_charged_the_highest_price_for_what_has_none(tmp_path: Path) -> None:
    list_ = prices(tmp_path, FILE + SPEECH)

    assert list_.charge("shopping", Usage(models={"unheard-of": HEARD}), DAY) == pytest.approx(0.9)
    assert list_.charge("shopping", Usage(models={"unheard-of": SPOKEN}), DAY) == pytest.approx(6.0)
    assert list_.charge("shopping", Usage(models={"voice": HEARD}), DAY) == pytest.approx(0.9)
    assert prices(tmp_path).charge("shopping", Usage(models={"unheard-of": SPOKEN}), DAY) == 0.0, (
        "nothing has one"
    )


OF_AN_AGENT = """
[[prices]]
model = "whisper"
agent = "clerk"
from = 2026-02-01
audio_minute = 0.4

[[prices]]
model = "whisper"
service = "OpenAISTTService"
agent = "clerk"
from = 2026-02-01
audio_minute = 0.2

[[prices]]
model = "voice"
agent = "clerk"
from = 2026-02-01
characters = 100.0
"""


@pytest.mark.parametrize(
    ("agent", "service", "day", "amount"),
    [
        ("shopping", "OpenAISTTService", DAY, 0.9),
        ("clerk", "OpenAISTTService", DAY, 0.3),
        ("clerk", "CheapSTTService", DAY, 0.6),
        ("clerk", "OpenAISTTService", date(2026, 1, 31), 0.9),
    ],
    ids=["another agent", "its service", "any service of its own", "before its own"],
)
def test_an_agent_s_own_prices_go_before_those_of_all(
    tmp_path: Path, agent: str, service: str, day: date, amount: float
) -> None:
    charged = prices(tmp_path, FILE + SPEECH + OF_AN_AGENT).charged(agent, service, "whisper", HEARD, day)

    assert charged.amount == pytest.approx(amount)


def test_an_agent_s_prices_are_no_other_s_highest(tmp_path: Path) -> None:
    list_ = prices(tmp_path, FILE + SPEECH + OF_AN_AGENT)
    unheard_of = Usage(models={"unheard-of": SPOKEN})

    assert list_.charge("shopping", unheard_of, DAY) == pytest.approx(6.0)
    assert list_.charge("clerk", unheard_of, DAY) == pytest.approx(50.0)


USED = st.builds(
    ModelUsage, COUNTS, COUNTS, audio_seconds=COUNTS.map(float), characters=COUNTS, reasoning_tokens=COUNTS
)


@given(USED)
def test_all_that_is_used_has_one_unit(used: ModelUsage) -> None:
    amounts = dict(units(used))

    assert amounts.pop("audio_seconds", 0.0) == used.audio_seconds
    assert amounts.pop("characters", 0) == used.characters
    assert sum(amounts.values()) == used.tokens


@pytest.mark.parametrize(
    ("text", "position"),
    [
        (FILE + SPEECH.replace("characters = 12.0", ""), "`$.prices[3]`"),
        (FILE + SPEECH.replace("characters = 12.0", "characters = -1"), "$.prices[3].characters"),
        (FILE + SPEECH.replace("audio_minute = 0.06", "audio_minute = inf"), "$.prices[2].audio_minute"),
        (FILE + SPEECH.replace('"CheapSTTService"', '""'), "$.prices[2].service"),
        (FILE + SPEECH + "reasoning = 1.0", "`reasoning` need"),
        (FILE + SPEECH + "input = { text = 1, audio = 1 }", "`input` and `output` need each other"),
        (FILE + SPEECH + SPEECH.split("[[prices]]")[2].join(["[[prices]]", ""]), "of 'CheapSTTService'"),
        (FILE + OF_AN_AGENT.replace('"clerk"', '"The Clerk"'), "$.prices[1].agent"),
        (FILE + OF_AN_AGENT + OF_AN_AGENT, "'whisper' of agent 'clerk' has two entries"),
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
