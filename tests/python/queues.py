"""queues.py ADDRESS PORT CPUS: on each CPU in turn, says "CPU" to a server and gets its datagrams, until one is empty.

It goes on until its standard input ends: with it the device's queues go away, and what they counted.
"""

import os
import socket
import sys


def main():
    server = (sys.argv[1], int(sys.argv[2]))
    for cpu in range(int(sys.argv[3])):
        os.sched_setaffinity(0, {cpu})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(20)
            for _ in range(2):  # the first may have had to wait for the server's address, and gone from elsewhere
                datagrams.sendto(b'%d' % cpu, server)
                while datagrams.recv(100):
                    pass
    print('done', flush=True)
    sys.stdin.read()


main()
