"""Sends its input and writes what comes back to its output, both at once."""
import socket
import sys
import threading

client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))


def send():
    while data := sys.stdin.buffer.read1(65536):
        client.sendall(data)
    client.shutdown(socket.SHUT_WR)


threading.Thread(target=send).start()
while data := client.recv(65536):
    sys.stdout.buffer.write(data)
sys.stdout.buffer.flush()
