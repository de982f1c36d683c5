"""The first report's client: counts until as much has come back as it sent."""
import socket
import sys

message = sys.argv[2].encode()
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as client:
    client.sendall(message)
    received = 0
    while received < len(message):
        data = client.recv(19)
        received += len(data)
        print(data, flush=True)
