"""The second report's server: one connection, one recv, shown, over."""
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("127.0.0.1", 0))
server.listen(1)
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
print(connection.recv(1024), flush=True)
connection.close()
server.close()
