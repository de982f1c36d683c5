"""The second report's other server: every interface, one recv, one answer, over. It does not wait for the client's end."""
import socket

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.bind(("0.0.0.0", 0))
server.listen(1)
print(server.getsockname()[1], flush=True)
connection, _ = server.accept()
print(connection.recv(1024), flush=True)
connection.sendall("Hola desde el servidor".encode())
connection.close()
server.close()
