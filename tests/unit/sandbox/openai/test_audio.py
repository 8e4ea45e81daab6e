"""Transcriptions and speech, with OpenAI's own client."""

import io
import wave

import aiohttp
import numpy as np
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.openai.bodies import MOST_FILE_BYTES
from sandbox.openai.refusals import OpenAIRefusedError
from sandbox.openai.speech import RATE
from sandbox.openai.transcriptions import LONGEST_SECONDS, UNINTELLIGIBLE, read_wav
from sandbox.voice import Samples, Voice, loudness
from tests.unit.sandbox.openai.serving import Served, as_wav

SILENCE = np.zeros(8000, np.int16)


def spoken(voice: Voice, words: str, rate: int = 16_000) -> Samples:
    silence = np.zeros(rate // 2, np.int16)
    return np.concatenate([silence, voice.say(words, rate), silence])


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (8000, 1), (24_000, 1), (48_000, 2)])
async def test_what_was_spoken_is_written(served: Served, voice: Voice, rate: int, channels: int) -> None:
    speech = spoken(voice, "find running shoes", rate)
    heard = await served.transcribe(as_wav(speech, rate, channels), language="en")
    assert heard.text == "Find running shoes."
    assert heard.usage.type == "tokens"
    assert heard.usage.input_token_details.audio_tokens == round(speech.size / rate * 10)
    assert (served.last.heard, served.last.ending) == ("Find running shoes.", "answered")


async def test_silence_is_nothing_and_other_speech_no_request(served: Served, voice: Voice) -> None:
    other = spoken(voice, "my neighbour plays the xylophone every other evening")
    assert (await served.transcribe(as_wav(SILENCE, 16_000))).text == ""
    assert (await served.transcribe(as_wav(other, 16_000))).text == UNINTELLIGIBLE


async def test_a_transcription_comes_in_the_form_that_is_asked_for(served: Served, voice: Voice) -> None:
    recording = as_wav(spoken(voice, "find running shoes"), 16_000)
    text = await served.transcribe(recording, response_format="text")
    verbose = await served.transcribe(recording, model="whisper-1", response_format="verbose_json")
    likely = await served.transcribe(recording, response_format="json", include=["logprobs"])
    assert text.strip() == "Find running shoes."
    assert verbose.segments[0].avg_logprob < 0
    assert (verbose.usage.type, verbose.usage.seconds) == ("duration", 3)
    assert [each.token for each in likely.logprobs] == ["Find", "running", "shoes."]


@pytest.mark.parametrize(
    ("recording", "options"),
    [
        (b"", {}),
        (b"RIFF", {}),
        (as_wav(SILENCE[:0], 16_000), {}),
        (as_wav(SILENCE[:1500], 16_000), {}),
        (b"no sound at all", {}),
        (as_wav(SILENCE, 1000), {}),
        (as_wav(SILENCE, 16_000, 3), {}),
        (as_wav(SILENCE, 16_000), {"response_format": "srt"}),
        (as_wav(SILENCE, 16_000), {"stream": True}),
        (as_wav(np.zeros(round(8001 * LONGEST_SECONDS), np.int16), 8000), {}),
    ],
)
async def test_a_recording_that_can_t_be_heard_is_refused(
    served: Served, recording: bytes, options: dict[str, object]
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await served.transcribe(recording, **options)
    assert refused.value.type == "invalid_request_error"
    assert served.openai.record.requests == []


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"file": "x"}, 400),
        ({"model": "gpt-transcribe"}, 400),
        ({"model": "gpt-4.1", "file": as_wav(SILENCE, 16_000)}, 404),
        ({"model": "m" * 100_000, "file": "x"}, 413),
        ({"model": "gpt-transcribe", "file": b"\0" * (MOST_FILE_BYTES + 1)}, 413),
        ({f"field{index}": "x" for index in range(100)}, 400),
        ({"model": b"\xff\xfe"}, 400),
    ],
)
async def test_a_form_out_of_bounds_is_refused(
    served: Served, form: dict[str, str | bytes], status: int
) -> None:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in form.items():
        data.add_field(name, io.BytesIO(value) if isinstance(value, bytes) else value)
    async with served.http.post(f"{served.url}/audio/transcriptions", data=data) as answer:
        assert (answer.status, "error" in await answer.json()) == (status, True)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nno name\r\n--b--\r\n"),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n\r\n--c--\r\n--b--\r\n",
        ),
    ],
)
async def test_what_is_no_form_is_refused(served: Served, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type}
    url = f"{served.url}/audio/transcriptions"
    async with served.http.post(url, data=body, headers=headers) as answer:
        assert (answer.status, "error" in await answer.json()) == (400, True)


HEADER = as_wav(SILENCE[:100], 16_000)


@given(st.binary(max_size=60), st.integers(0, 43), st.integers(0, 300))
def test_a_broken_recording_is_heard_or_refused(noise: bytes, at: int, length: int) -> None:
    try:
        assert read_wav((HEADER[:at] + noise + HEADER[at + len(noise) :])[:length]).dtype == np.int16
    except OpenAIRefusedError as refusal:
        assert refusal.status == 400  # noqa: PT017 - one of two outcomes


async def test_a_text_is_spoken_at_once(served: Served) -> None:
    pcm = await served.speak("Hello there. Goodbye!")
    samples = np.frombuffer(pcm, "<i2")
    assert loudness(samples) > 300
    assert served.last.seconds == pytest.approx(samples.size / RATE)
    assert (served.last.said, served.last.ending) == ("Hello there. Goodbye!", "answered")


async def test_a_wav_says_what_it_is(served: Served) -> None:
    wav = await served.speak("Hello.", response_format="wav")
    with wave.open(io.BytesIO(wav)) as recording:
        described = recording.getframerate(), recording.getnchannels(), recording.getsampwidth()
    assert described == (RATE, 1, 2)
    assert loudness(np.frombuffer(wav[44:], "<i2")) > 300


async def test_speed_and_voice_are_heard(served: Served) -> None:
    usual, fast = await served.speak("Hello there."), await served.speak("Hello there.", speed=2.0)
    assert len(fast) < 0.8 * len(usual)
    assert len(await served.speak("Hello there.", voice="nova")) != len(usual)


@pytest.mark.parametrize(
    "options",
    [
        {"input": ""},
        {"input": "x" * 4097},
        {"voice": "nobody"},
        {"speed": 5.0},
        {"response_format": "mp3"},
        {"stream_format": "sse"},
        {"instructions": "x" * 5000},
    ],
)
async def test_speech_out_of_bounds_is_refused(served: Served, options: dict[str, object]) -> None:
    text = str(options.pop("input", "Hello."))
    with pytest.raises(openai.BadRequestError) as refused:
        await served.speak(text, **options)
    assert refused.value.type == "invalid_request_error"
