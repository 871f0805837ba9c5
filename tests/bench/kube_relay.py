#!/usr/bin/python3
"""Plain HTTP in front of a TLS server, byte by byte, so that a capture of the plain side shows what was said and when.
usage: kube_relay.py ADDRESS PORT TLS_PORT CA    (prints "listening"; runs until it is ended)"""
import asyncio
import ssl
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass  # either end may go at any time
    writer.close()


async def main():
    address, port, tls_port, ca = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    trust = ssl.create_default_context(cafile=ca)

    tasks = set()

    async def serve(reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection(address, tls_port, ssl=trust)
        except OSError:
            writer.close()
            return
        for task in map(asyncio.ensure_future, (pump(reader, up_writer), pump(up_reader, writer))):
            tasks.add(task)  # the loop itself does not keep them
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, address, port)
    print("listening", flush=True)
    await server.serve_forever()


asyncio.run(main())
