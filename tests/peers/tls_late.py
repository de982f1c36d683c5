"""Agrees on TLS, says so, and goes on at a line of its standard input: reads to the end and says how many bytes came and whether all were
alike, or resets the connection."""

import socket
import ssl
import struct
import sys

port, authority, how = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
with socket.create_connection(("127.0.0.1", int(port))) as plain:
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secured:
        print("agreed")
        sys.stdin.readline()
        if how == "reset":
            secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            count, values = 0, set()
            while piece := secured.recv(1 << 16):
                count += len(piece)
                values.update(piece)
            print(count, len(values))
