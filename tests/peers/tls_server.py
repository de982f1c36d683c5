"""Prints its port, reads a message to its end, answers, then ends: announced (close_notify), or cut (FIN alone)."""

import socket
import ssl
import sys

certificate, key, how = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1])
    plain, _ = listener.accept()
    with plain, context.wrap_socket(plain, server_side=True) as secured:
        message = b""
        while piece := secured.recv(1024):
            message += piece
        secured.sendall(b"half of it")
        if how == "announced":
            secured.unwrap()
        print(message)
