"""Tries targets and prints those that answer: `probe.py SECONDS tcp/ADDRESS/PORT udp/ADDRESS/PORT ...`.

It runs by itself, in pods too, whose image has no packages of tests. It ends when all have answered, or
none has for so many seconds: how long they take together is the machine's affair.
"""

import asyncio
import socket
import sys

QUESTION = bytes.fromhex("abcd01000001000000000000") + b"\x0akubernetes\x00\x00\x01\x00\x01"
"""A question about a name, which a DNS server answers, and whatever sends back what it gets."""


async def answers(target: str) -> bool:
    protocol, address, port = target.split("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    loop = asyncio.get_running_loop()
    with socket.socket(family, kind) as opened:
        opened.settimeout(0)
        try:
            await loop.sock_connect(opened, (address, int(port)))
            while kind == socket.SOCK_DGRAM:
                await loop.sock_sendall(opened, QUESTION)
                try:
                    return bool(await asyncio.wait_for(loop.sock_recv(opened, 1500), 0.5))
                except asyncio.TimeoutError:  # noqa: UP041 - of older Pythons another one
                    continue
        except OSError:
            return False
    return True


async def main(seconds: float, targets: list[str]) -> None:
    tried = {asyncio.ensure_future(answers(target)): target for target in targets}
    # All have been asked when the time begins.
    await asyncio.sleep(0)
    pending, done = set(tried), set(tried)
    while pending and done:
        done, pending = await asyncio.wait(pending, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    print(*(tried[each] for each in tried.keys() - pending if each.result()), sep="\n")  # noqa: T201


asyncio.run(main(float(sys.argv[1]), sys.argv[2:]))
