# Sends many small pieces, one a call.
import socket

sock = socket.create_connection(('127.0.0.1', 4000))
sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(50):
    sock.send(b'x' * 1000)
sock.close()
