import socket

def servidor(host='127.0.0.1', puerto=8080):
    servidor_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    servidor_socket.setblocking(True)
    servidor_socket.bind((host, puerto))
    servidor_socket.listen(1)
    print(f'Servidor escuchando en {host}:{puerto}')
    conexion, direccion = servidor_socket.accept()
    print(f'Conexión aceptada de {direccion}')
    conexion.setblocking(True)
    mensaje = conexion.recv(1024)
    print('Mensaje recibido:', mensaje.decode())
    conexion.close()
    servidor_socket.close()

servidor()
