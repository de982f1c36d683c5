# Reads what comes, a little at a time, until the client ends.
import socket

sock = socket.socket()
sock.bind(('localhost', 4000))
sock.listen(1)
connection, _ = sock.accept()
while connection.recv(1000):
    pass
connection.close()
sock.close()
