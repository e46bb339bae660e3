#!/usr/bin/env python3
"""Debian's nginx in the guest, with its stock configuration."""

import os
import selectors
import signal
import socket
import time

from tests import guest
from tests.servers.page_load import ROOT, STALL, page, split_answer

COMMAND = ('/usr/sbin/nginx', '-g', 'daemon off; master_process off;')
HERE = os.path.dirname(os.path.abspath(__file__))
# What narwhal finds by itself where nginx is the program, but for the folder of the logs, of which it takes nothing else.
FILES = ('/usr/sbin/nginx', '/etc/nginx', '/usr/lib/nginx', '/usr/share/nginx', '/var/lib/nginx', ROOT)
MEMORY_PORT = 1
# What 1,500 connections may leave behind: less than half a KiB each. A line in nginx's log and a minute in TIME-WAIT
# take some 300 bytes; nothing else may stay.
MOST_GROWTH_KIB = 640


def request(close):
    return b'GET / HTTP/1.1\r\nHost: guest\r\nConnection: %s\r\n\r\n' % (b'close' if close else b'keep-alive')


class Client:
    """One of many connections that ask for the page again and again."""

    def __init__(self, port, count):
        self.left = count
        self.data = b''
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.asked = False
        self.since = time.monotonic()
        if self.socket.connect_ex((guest.LOOPBACK, port)) not in (0, 115):  # EINPROGRESS
            raise OSError('cannot connect')


class Nginx(guest.TestCase):
    def start_nginx(self, *wrapper, options=(), **settings):
        self.port = guest.free_port()
        server = self.start_guest(*wrapper, *COMMAND, options=['-p', f'{self.port}:80', *options], **settings)
        # It says nothing when it is ready.
        while not self.answers():
            self.assertFalse(server.has_ended(), 'nginx has ended')
            self.assertLess(time.monotonic() - server.started_at, server.limit, 'nginx does not answer')
            time.sleep(0.05)
        return server

    def answers(self):
        try:
            return split_answer(self.exchange()) is not None
        except OSError:
            return False  # QEMU takes connections for ports where nobody listens yet, and resets them

    def fetch(self, expected):
        """A connection of its own for one page."""
        self.assertEqual(split_answer(self.exchange())[1:], (expected, b''))

    def exchange(self):
        with socket.create_connection((guest.LOOPBACK, self.port), timeout=STALL) as connection:
            connection.sendall(request(close=True))
            data = b''
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                data += part
        return data

    def assert_ends(self, server):
        server.send_signal(signal.SIGTERM)
        server.wait()
        self.assertEqual(server.stdout, '')
        self.assert_no_messages(server)
        self.assert_status(server, 0)

    def test_page_and_end(self):
        server = self.start_nginx()
        with socket.create_connection((guest.LOOPBACK, self.port), timeout=STALL) as connection:
            stream = connection.makefile('rb')
            for _ in range(3):  # on one connection
                connection.sendall(request(close=False))
                self.assertEqual(stream.readline(), b'HTTP/1.1 200 OK\r\n')
                header = {}
                for line in iter(stream.readline, b'\r\n'):
                    name, value = line.decode().rstrip('\r\n').split(': ', 1)
                    header[name] = value
                self.assertTrue(header['Server'].startswith('nginx'))
                self.assertEqual(header['Content-Type'], 'text/html')
                self.assertEqual(stream.read(int(header['Content-Length'])), page())
            connection.sendall(b'GET /missing HTTP/1.0\r\n\r\n')
            self.assertEqual(stream.readline(), b'HTTP/1.1 404 Not Found\r\n')
        self.assert_ends(server)

    def test_64_clients_at_once(self):
        server = self.start_nginx()
        self.load(self.port)
        self.assert_ends(server)

    @guest.needs_machine('passt needs no relay')
    def test_64_clients_at_once_through_the_relay(self):
        real = os.environ['NARWHAL']
        self.addCleanup(os.environ.__setitem__, 'NARWHAL', real)
        os.environ['NARWHAL'] = os.path.join(HERE, 'without_pidfd_getfd.py')
        server = self.start_nginx(options=['--verbose'], environment={'NARWHAL_WRAPPED': os.path.abspath(real)})
        self.load(self.port)
        server.send_signal(signal.SIGTERM)
        server.wait()
        self.assert_status(server, 0)
        self.assertIn('narwhal: ports: relayed', server.stderr)

    def load(self, port):
        expected = page()
        selector = selectors.DefaultSelector()
        clients = [Client(port, 25) for _ in range(64)]
        for client in clients:
            selector.register(client.socket, selectors.EVENT_WRITE, client)
        pages = 0
        while selector.get_map():
            for key, _ in selector.select(1):
                pages += self.serve(selector, key.data, expected)
            for key in selector.get_map().values():
                self.assertLess(time.monotonic() - key.data.since, STALL, 'a client stalls')
        self.assertEqual(pages, 64 * 25)

    def serve(self, selector, client, expected):
        """Does what one client can do now; returns the number of pages that came."""
        connection = client.socket
        client.since = time.monotonic()
        if not client.asked:
            self.assertEqual(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0)
            connection.sendall(request(close=client.left == 1))
            client.asked = True
            selector.modify(connection, selectors.EVENT_READ, client)
            return 0
        part = connection.recv(65536)
        self.assertNotEqual(part, b'', 'the server closed the connection')
        client.data += part
        answer = split_answer(client.data)
        if not answer:
            return 0
        self.assertEqual(answer[1:], (expected, b''))
        client.data = b''
        client.left -= 1
        if client.left != 0:
            connection.sendall(request(close=client.left == 1))
        else:
            selector.unregister(connection)
            connection.close()
        return 1

    def test_2000_connections_one_by_one(self):
        memory_port = guest.free_port()
        script = os.path.join(HERE, 'with_memory.py')
        server = self.start_nginx(
            '/usr/bin/python3', script, str(MEMORY_PORT),
            options=['-p', f'{memory_port}:{MEMORY_PORT}', *(f'--include={path}' for path in (script, *FILES))],
            limit=240)

        def free_kib():
            with socket.create_connection((guest.LOOPBACK, memory_port), timeout=STALL) as connection:
                return int(connection.makefile().readline())

        expected = page()
        for _ in range(500):
            self.fetch(expected)
        before = free_kib()
        for _ in range(1500):
            self.fetch(expected)
        self.assertLess(before - free_kib(), MOST_GROWTH_KIB)
        self.assert_ends(server)


if __name__ == '__main__':
    guest.main()
