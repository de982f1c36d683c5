"""Scenarios of Python's own libraries. The n-th call that sends on a socket writes only bytes of value n."""

import asyncio
import socket
import socketserver
import sys
import threading


def python_threads():
    """A server with a thread for each client, by the standard library."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            number = 0
            while data := self.request.recv(4096):
                number += 1
                self.request.sendall(bytes([number]) * len(data))

    def client(address, length):
        with socket.create_connection(address) as own:
            for number in (1, 2, 3):
                own.sendall(bytes([number]) * length)
                own.recv(length, socket.MSG_WAITALL)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        clients = [threading.Thread(target=client, args=(server.server_address, 5 + at)) for at in range(4)]
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        server.shutdown()


def python_asyncio():
    """Many connections in one thread."""

    async def serve(reader, writer):
        number = 0
        while data := await reader.read(4096):
            number += 1
            writer.write(bytes([number]) * len(data))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def client(port, length):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in (1, 2, 3):
            writer.write(bytes([number]) * length)
            await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()

    async def everything():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(client(port, 5 + at) for at in range(8)))
        server.close()

    asyncio.run(everything())


SCENARIOS = {"python-threads": python_threads, "python-asyncio": python_asyncio}

if __name__ == "__main__":
    if sys.argv[1:]:
        SCENARIOS[sys.argv[1]]()
    else:
        print("\n".join(SCENARIOS))
