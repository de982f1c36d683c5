import socket
import sys
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
datos_servidor = ('localhost', 4000)
print(sys.stderr, 'conectando a %s puerto %s' % datos_servidor)
s.connect(datos_servidor)
try:
    mensaje = 'Aquí va el mensaje'.encode()
    print(sys.stderr, 'enviando "%s"' % mensaje.decode())
    s.sendall(mensaje)
    cantidad_recibida = 0
    cantidad_esperada = len(mensaje)
    while cantidad_recibida < cantidad_esperada:
        data = s.recv(19)
        cantidad_recibida += len(data)
        print(sys.stderr, 'recibiendo "%s"' % data.decode())

finally:
    print(sys.stderr, 'cerrando socket')
    s.close()
