"""What is traced in a benchmark: one byte there and back over TCP, between two processes; 4 calls a round.

    python3 pair.py ROUNDS FILE

The file has a line: nanoseconds of the whole, and calls.
"""

import os
import socket
import sys
import time


def answer(connection, rounds):
    for _ in range(rounds):
        connection.recv(1)
        connection.send(b"x")


def ask(connection, rounds):
    for _ in range(rounds):
        connection.send(b"x")
        connection.recv(1)


def main(rounds, file):
    listener = socket.create_server(("127.0.0.1", 0))
    if os.fork() == 0:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer(connection, rounds // 10 + rounds)
        return
    connection = socket.create_connection(listener.getsockname())
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ask(connection, rounds // 10)
    begun = time.monotonic_ns()
    ask(connection, rounds)
    took = time.monotonic_ns() - begun
    connection.close()
    os.wait()
    with open(file, "w") as out:
        print(took, 4 * rounds, file=out)


main(int(sys.argv[1]), sys.argv[2])
