"""Says hola, reads as much back, then ends: announced (close_notify, and the server's read), or cut (FIN alone)."""

import socket
import ssl
import sys

port, authority, how = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
with socket.create_connection(("127.0.0.1", int(port))) as plain:
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as secured:
        secured.sendall(b"hola")
        back = secured.recv(4)
        if how == "announced":
            rest = secured.unwrap().recv(16)
        else:
            # Below TLS: what the server has to say of its own end is of no interest.
            secured.shutdown(socket.SHUT_WR)
            rest = b""
        print(back, rest)
