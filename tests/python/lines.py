"""lines.py ADDRESS PORT SECONDS: writes numbered lines to a server for so long, each by a call of its own, and ends with
the last one.
"""

import os
import socket
import sys
import time


def main():
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end = time.monotonic() + float(sys.argv[3])
    number = 0
    while time.monotonic() < end:
        connection.sendall(b'%d\n' % number)
        number += 1
    print(number, flush=True)
    os._exit(0)


main()
