"""Checks whether the service in this container is ready: exit code 0 when /readyz answers 200.

It imports no library, because it is started every few seconds.
"""

import os
import socket
import sys

TIMEOUT_SECONDS = 3
STATUS_LINE_BYTES = 32

with socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), TIMEOUT_SECONDS) as connection:
    connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = connection.recv(STATUS_LINE_BYTES)
sys.exit(0 if answer.startswith(b"HTTP/1.1 200 ") else 1)
