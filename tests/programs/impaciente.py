# Asks for an answer again and again before it has said anything.
import socket

sock = socket.create_connection(('127.0.0.1', 4000))
sock.setblocking(False)
for _ in range(50):
    try:
        sock.recv(10)
    except BlockingIOError:
        pass
sock.setblocking(True)
sock.close()
