#!/usr/bin/env python3
"""Forwarded ports (-p): servers that speak first, and datagrams."""

import os
import signal
import socket
import time

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

    def test_a_flood_while_a_program_computes(self):
        """Each packet may be a signal, in the process home; the program goes on, and the last ones are answered."""
        port = guest.free_port(socket.SOCK_DGRAM)
        program = ('import socket, threading\n'
                   's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
                   f's.bind(("0.0.0.0", {GUEST_PORT}))\n'
                   'over = threading.Event()\n'
                   'def compute():\n'
                   '    while not over.is_set(): sum(range(1000))\n'
                   'threading.Thread(target=compute).start()\n'
                   'print("ready", flush=True)\n'
                   'while True:\n'
                   '    data, sender = s.recvfrom(65536)\n'
                   '    if data == b"end": break\n'
                   's.sendto(data, sender)\n'
                   'over.set()\n')
        flooded = self.start_guest('/usr/bin/python3', '-c', program, options=['-p', f'{port}:{GUEST_PORT}/udp'])
        flooded.wait_for_output('ready')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(100_000):
                client.sendto(bytes(100), (guest.LOOPBACK, port))
            client.settimeout(0.2)
            # It may be lost like any other.
            for _ in range(100):
                client.sendto(b'end', (guest.LOOPBACK, port))
                try:
                    self.assertEqual(client.recv(100), b'end')
                    break
                except (TimeoutError, ConnectionRefusedError):
                    continue
            else:
                self.fail('no answer')
        self.assertEqual(flooded.wait(), 0)

    def test_many_clients_of_a_guest_that_is_not_running(self):
        """What comes for it waits: passt, for one, sends no SYN again that did not fit into its socket."""
        clients = 180
        port = guest.free_port()
        program = ('import socket\n'
                   's = socket.create_server(("0.0.0.0", %d), backlog=512)\n'
                   'print("ready", flush=True)\n'
                   'while True:\n'
                   '    connection = s.accept()[0]\n'
                   '    connection.sendall(b"for ")\n'
                   '    connection.sendall(connection.recv(100))\n'
                   '    connection.close()\n' % GUEST_PORT)
        server = self.start_guest('/usr/bin/python3', '-c', program, options=['-p', f'{port}:{GUEST_PORT}'])
        server.wait_for_output('ready')
        os.kill(server.machine_pid(), signal.SIGSTOP)
        connections = []
        try:
            for number in range(clients):
                connections.append(socket.create_connection((guest.LOOPBACK, port), timeout=60))
                self.addCleanup(connections[-1].close)
                connections[-1].sendall(b'%d' % number)
            time.sleep(0.5)  # the other end takes them, most often
        finally:
            os.kill(server.machine_pid(), signal.SIGCONT)
        for number, connection in enumerate(connections):
            self.assertEqual(connection.makefile('rb').read(), b'for %d' % number)


if __name__ == '__main__':
    guest.main()
