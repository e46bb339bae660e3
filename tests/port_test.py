#!/usr/bin/env python3
"""Forwarded ports (-p): servers that speak first, and datagrams."""

import os
import socket

from tests import guest

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'python', 'greeter.py')
GUEST_PORT = 7000


class Port(guest.TestCase):
    def start_greeter(self, port, kind=''):
        self.start_guest('/usr/bin/python3', '/greeter.py', str(GUEST_PORT),
                         options=['-p', f'{port}:{GUEST_PORT}{kind}', '--include', f'{SERVER}:/greeter.py']
                         ).wait_for_output('ready')

    def test_a_server_that_speaks_first(self):
        port = guest.free_port()
        self.start_greeter(port)
        for number in range(50):
            with socket.create_connection((guest.LOOPBACK, port), timeout=30) as connection:
                self.assertEqual(connection.makefile('rb').read(), b'hello %d\n' % number)

    def test_datagrams(self):
        port = guest.free_port(socket.SOCK_DGRAM)
        self.start_greeter(port, '/udp')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            for size in (1, 1000, 1400):
                client.sendto(bytes(size), (guest.LOOPBACK, port))
                self.assertEqual(client.recv(65536), bytes(size))


if __name__ == '__main__':
    guest.main()
