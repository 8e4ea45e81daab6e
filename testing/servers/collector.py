"""The OpenTelemetry Collector's OTLP receiver as a process, and the spans that it has received.

Run as `python -m testing.servers.collector` it makes the program available and prints its path. It is built
from the Collector's own modules: `testing/builds/parts/collector`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testing.builds.binaries import MODULES, GoModule, cache_directory, ensure_binaries, main
from testing.builds.go import GoUnavailableError
from testing.leaving_out import leave_out
from testing.processes import Program, free_port, reaches

PARTS = (GoModule(MODULES / "collector", {"collector": "."}),)
CACHE = cache_directory().with_name("collector")


@dataclass(frozen=True)
class Span:
    """One span as it came, with the resource it came from."""

    resource: dict[str, Any]
    content: dict[str, Any]

    @property
    def service(self) -> str:
        return str(self.resource["service.name"])

    @property
    def name(self) -> str:
        return str(self.content["name"])

    @property
    def trace(self) -> str:
        return str(self.content["traceId"])

    @property
    def id(self) -> str:
        return str(self.content["spanId"])

    @property
    def parent(self) -> str:
        return str(self.content.get("parentSpanId", ""))

    @property
    def began(self) -> int:
        return int(self.content["startTimeUnixNano"])

    @property
    def ended(self) -> int:
        return int(self.content["endTimeUnixNano"])

    @property
    def attributes(self) -> dict[str, Any]:
        return plain(self.content.get("attributes", []))

    @property
    def has_failed(self) -> bool:
        return bool(self.content.get("status", {}).get("code") == 2)

    @property
    def events(self) -> dict[str, int]:
        return {each["name"]: int(each["timeUnixNano"]) for each in self.content.get("events", [])}


def plain(attributes: list[dict[str, Any]]) -> dict[str, Any]:
    """OTLP's attributes as a dictionary; numbers come as they are, whole ones as text."""
    return {each["key"]: next(iter(each["value"].values())) for each in attributes}


@dataclass(frozen=True)
class Collector:
    """A receiver that listens."""

    endpoint: str
    received: Path

    def spans(self) -> list[Span]:
        lines = self.received.read_text(encoding="utf-8").splitlines()
        return [
            Span(plain(of_resource["resource"]["attributes"]), span)
            for line in lines
            for of_resource in json.loads(line)["resourceSpans"]
            for of_scope in of_resource["scopeSpans"]
            for span in of_scope["spans"]
        ]


def program() -> Path:
    """Return the receiver's path. If there can't be one, skip the test, or fail it under CI."""
    try:
        return ensure_binaries(PARTS, CACHE)["collector"]
    except GoUnavailableError as error:
        leave_out(str(error))


@contextmanager
def collector(directory: Path) -> Iterator[Collector]:
    """Run one until this is left."""
    address, received = f"127.0.0.1:{free_port()}", directory / "spans.jsonl"
    running = Program.start("collector", [str(program()), address, str(received)], directory, {})
    try:
        running.wait_until(lambda: reaches(address))
        yield Collector(f"http://{address}", received)
    finally:
        running.stop()


if __name__ == "__main__":
    sys.exit(main(PARTS, CACHE))
