"""What becomes of a call whose spans are wanted in an image that can't make any."""

import sys

import pytest

from podline.runner.__main__ import _traces


async def test_without_opentelemetry_the_call_goes_on_and_the_log_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    for module in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "podline.runner.observers.spans", raising=False)
    monkeypatch.delitem(sys.modules, "podline.spans", raising=False)

    async with _traces(traced=True) as traces:
        assert traces is None

    assert ["opentelemetry" in line for line in logged if "traces can't be sent" in line] == [True]
