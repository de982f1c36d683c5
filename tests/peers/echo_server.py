"""The first report's server: sends back what comes, 19 bytes at a time, one client after the other."""
import socket
import sys

size = int(sys.argv[1]) if len(sys.argv) > 1 else 19
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 0))
server.listen(1)
print(server.getsockname()[1], flush=True)
while True:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(size):
            connection.sendall(data)
