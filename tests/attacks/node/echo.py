"""Listens on the given ports and answers what comes: `echo.py tcp/ADDRESS/PORT udp/ADDRESS/PORT ...`.

It runs by itself, in pods too, whose image has no packages of tests.
"""

import asyncio
import sys


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"here")
    await writer.drain()
    writer.close()


async def main(addresses: list[str]) -> None:
    for address_and_port in addresses:
        protocol, address, port = address_and_port.split("/")
        if protocol == "tcp":
            await asyncio.start_server(greet, address, int(port))
        else:
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(Echo, local_addr=(address, int(port)))
    print("listening", flush=True)  # noqa: T201
    await asyncio.Event().wait()


asyncio.run(main(sys.argv[1:]))
