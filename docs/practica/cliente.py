"""Cliente de eco como en un curso: envía un mensaje y cuenta hasta que volvió todo."""
import socket

cliente = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
cliente.connect(("127.0.0.1", 4000))
mensaje = "Aquí va el mensaje".encode()
cliente.sendall(mensaje)
recibidos = 0
while recibidos < len(mensaje):
    datos = cliente.recv(19)
    recibidos += len(datos)
    print("recibido", datos.decode())
cliente.close()
