"""Holds an address, bound without SO_REUSEADDR: `bound` does not listen; `closing` closes its one connection first and ends."""
import socket
import sys

holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
holder.bind((sys.argv[2], 0))
if sys.argv[1] == "bound":
    print(holder.getsockname()[1], flush=True)
    sys.stdin.read()
else:
    holder.listen(1)
    print(holder.getsockname()[1], flush=True)
    connection, _ = holder.accept()
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    connection.close()
