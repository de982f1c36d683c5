"""The second report's other client: sends, and closes only when it has read its answer."""
import socket
import sys

client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
client.connect(("127.0.0.1", int(sys.argv[1])))
client.sendall(sys.argv[2].encode())
print(client.recv(1024), flush=True)
client.close()
