"""Servidor de eco como en un curso: un cliente a la vez, de 19 en 19 bytes, para siempre."""
import socket

servidor = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
servidor.bind(("127.0.0.1", 4000))
servidor.listen(1)
while True:
    print("esperando")
    conexion, cliente = servidor.accept()
    print("conexión desde", cliente)
    while True:
        datos = conexion.recv(19)
        print("recibido", datos)
        if not datos:
            break
        conexion.sendall(datos)
    conexion.close()
