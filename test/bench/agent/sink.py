"""A socket and nothing else, to hold the agent against: takes messages of an 8-byte length and so many bytes, answers each with a byte. Ends with stdin."""

import os
import socket
import sys
import threading


def serve(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while True:
        head = connection.recv(8, socket.MSG_WAITALL)
        if len(head) < 8:
            return
        body = bytearray(int.from_bytes(head, 'little'))
        view, filled = memoryview(body), 0
        while filled < len(body):
            filled += connection.recv_into(view[filled:])
        connection.sendall(b'.')


listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
