import socket
import sys
# Un par de eco; cada extremo usa TCP (0) o MPTCP (262).
papel, protocolo = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocolo)
if papel == 'servidor':
    s.bind(('127.0.0.1', 4000))
    s.listen(1)
    c, _ = s.accept()
    c.sendall(c.recv(100))
    c.recv(100)
    c.close()
else:
    s.connect(('127.0.0.1', 4000))
    s.sendall(b'hola')
    s.recv(100)
    s.close()
