import socket

def cliente(host='127.0.0.1', puerto=8080):
    cliente_socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    cliente_socket.connect((host, puerto))
    cliente_socket.sendall('Hola desde el cliente'.encode())
    cliente_socket.close()

cliente()
