import socket

servidor = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
servidor.bind(('127.0.0.1', 8080))
servidor.listen(1)
print('esperando')
conexion, direccion = servidor.accept()
print('conexión desde', direccion)
mensaje = conexion.recv(1024)
print('recibido:', mensaje.decode())
conexion.sendall('Hola desde el servidor'.encode())
conexion.recv(1)  # hasta que el cliente termine
conexion.close()
servidor.close()
