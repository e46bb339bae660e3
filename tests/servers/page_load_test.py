#!/usr/bin/env python3
"""What the load of pages (page_load.py) calls a failure, by a server that closes connections as it is told to."""

import socket
import threading
import time
import unittest

from tests import guest
from tests.servers.page_load import Load

PAGE = b'a page'
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(PAGE), PAGE)


class Server:
    """Answers the first request of each connection, and holds back what comes after it until release().

    Without an answer it closes them after the first.
    """

    def __init__(self, answer=ANSWER):
        self.answer = answer
        self.held = 0
        self._may_close = threading.Event()
        self._listener = socket.create_server((guest.LOOPBACK, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            if not connection.recv(65536):
                return
            connection.sendall(self.answer)
            if self.answer and connection.recv(65536):
                self.held += 1
                self._may_close.wait()

    def wait_for_held(self, count):
        while self.held < count:
            time.sleep(0.01)

    def release(self):
        """Closes all that is held back, and from now on at once."""
        self._may_close.set()


class PageLoad(unittest.TestCase):
    def test_a_used_connection_may_be_closed(self):
        server = Server()
        server.release()
        with Load(server.port, PAGE) as load:
            load.wait_for(100)
        self.assertEqual(load.failures, [])
        self.assertGreater(load.retries, 0)

    def test_also_when_the_load_ends_meanwhile(self):
        server = Server()
        with Load(server.port, PAGE) as load:
            server.wait_for_held(8)  # of sixteen clients half keep their connections
            load.is_ending = True
            server.release()
        self.assertEqual(load.failures, [])
        self.assertGreaterEqual(load.retries, 8)

    def test_a_new_one_may_not(self):
        server = Server(answer=b'')
        server.release()
        with Load(server.port, PAGE, clients=2) as load:
            while len(load.failures) < 2:
                time.sleep(0.01)
        self.assertIn('on a new connection: closed', load.failures[0])

    def test_nor_is_another_page_an_answer(self):
        server = Server(answer=ANSWER.replace(PAGE, PAGE.upper()))
        with Load(server.port, PAGE, clients=1) as load:
            load.wait_for(1)
            load.is_ending = True
            server.release()
        self.assertIn('not the page', load.failures[0])


if __name__ == '__main__':
    guest.main()
