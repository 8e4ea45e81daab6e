"""What a preloaded process says is read strictly: it runs code that isn't ours."""

from __future__ import annotations

import pytest

from podline.contract.encoding import DecodeError
from podline.contract.forking import (
    MAX_PACKET_BYTES,
    MAX_PROBLEM_CHARACTERS,
    Exited,
    ForkedStart,
    PreparedToFork,
    encode_packet,
    read_exited,
    read_prepared,
    read_start,
)


@pytest.mark.parametrize("status", [0, 1, 255, -1, -9, -64])
def test_an_exit_arrives_as_it_was_sent(status: int) -> None:
    assert read_exited(encode_packet(Exited(7, status))) == Exited(7, status)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b'{"pid": 7}',
        b'{"pid": "7", "status": 0}',
        b'{"pid": true, "status": 0}',
        b'{"pid": 7.0, "status": 0}',
        b'{"pid": 0, "status": 0}',
        b'{"pid": 1, "status": 0}',
        b'{"pid": -7, "status": 0}',
        b'{"pid": 2147483648, "status": 0}',
        b'{"pid": 7, "status": 256}',
        b'{"pid": 7, "status": -65}',
        b'{"pid": 7, "status": null}',
    ],
)
def test_an_exit_that_can_not_be_is_refused(packet: bytes) -> None:
    with pytest.raises(DecodeError):
        read_exited(packet)


@pytest.mark.parametrize("problem", [None, "it has threads: python", "ü" * MAX_PROBLEM_CHARACTERS])
def test_a_problem_fits_into_one_packet(problem: str | None) -> None:
    packet = encode_packet(PreparedToFork(problem))
    assert len(packet) <= MAX_PACKET_BYTES
    assert read_prepared(packet) == PreparedToFork(problem)


@pytest.mark.parametrize(
    "packet", [b"", b"{", b'{"problem": 1}', b'{"problem": "%s"}' % (b"x" * (MAX_PROBLEM_CHARACTERS + 1))]
)
def test_a_problem_that_is_none_is_refused(packet: bytes) -> None:
    with pytest.raises(DecodeError):
        read_prepared(packet)


def test_a_start_arrives_whole_or_not_at_all() -> None:
    start = ForkedStart({"PODLINE_LAUNCH_ID": "launch-1"}, "/tmp/launch-1")  # noqa: S108 - a name only
    packet = encode_packet(start)
    assert read_start(packet) == start
    for end in range(len(packet)):
        with pytest.raises(DecodeError):
            read_start(packet[:end])
