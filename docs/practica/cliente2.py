import socket

cliente = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
cliente.connect(('127.0.0.1', 8080))
cliente.sendall('Hola desde el cliente'.encode())
respuesta = cliente.recv(1024)
print('respuesta:', respuesta.decode())
cliente.close()
