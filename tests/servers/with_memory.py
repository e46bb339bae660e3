#!/usr/bin/env python3
"""Runs in the guest: with_memory.py PORT PROGRAM [args...] starts the program, with a folder for nginx's logs, and tells
each client of the port how many KiB of memory the machine has left. SIGTERM is passed on; the program's exit status becomes
its own."""

import os
import signal
import socket
import subprocess
import sys
import threading


def free_kib():
    with open('/proc/meminfo', encoding='ascii') as lines:
        for line in lines:
            name, value = line.split(':')
            if name == 'MemFree':
                return int(value.split()[0])
    raise RuntimeError('/proc/meminfo has no MemFree')


def answer(listener):
    while True:
        client, _ = listener.accept()
        with client:
            client.sendall(b'%d\n' % free_kib())


def main():
    os.makedirs('/var/log/nginx', exist_ok=True)
    listener = socket.create_server(('0.0.0.0', int(sys.argv[1])))
    program = subprocess.Popen(sys.argv[2:])
    signal.signal(signal.SIGTERM, lambda number, _: program.send_signal(number))
    threading.Thread(target=answer, args=(listener,), daemon=True).start()
    sys.exit(program.wait())


main()
