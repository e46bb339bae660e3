"""Clients that ask an HTTP server for pages without a pause while a test does things to it.

Half of them keep their connections, the others use one for each request. A server may close a connection that waits
for its next request (RFC 9112, 9.3.1 and 9.6), so a client that finds a used connection closed, without a byte of an
answer, asks again on a new one, once. Everything else that is not the whole page is a failure.
"""

import os
import re
import selectors
import socket
import threading
import time

from tests import guest

ROOT = '/var/www/html'  # of Debian's stock configuration
STALL = 30  # seconds without a byte, under software emulation on a busy machine
EINPROGRESS = 115


def page():
    # The order of /etc/nginx/sites-available/default.
    for name in ('index.html', 'index.htm', 'index.nginx-debian.html'):
        try:
            with open(os.path.join(ROOT, name), 'rb') as file:
                return file.read()
        except FileNotFoundError:
            pass
    raise FileNotFoundError(f'{ROOT} has no index')


def split_answer(data):
    """The header, the body, and what comes after it; None while it is not complete."""
    end = data.find(b'\r\n\r\n')
    if end < 0:
        return None
    header = data[:end]
    size = int(re.search(rb'\r\nContent-Length: (\d+)', header).group(1))
    if len(data) < end + 4 + size:
        return None
    return header, data[end + 4:end + 4 + size], data[end + 4 + size:]


class _Client:
    def __init__(self, load, keeps):
        self._load = load
        self._keeps = keeps
        self._used = False  # an answer came on this connection
        self._retried = False
        self.socket = None
        self._next()

    def _next(self):
        self._retried = False
        self._number = self._load.take_number()
        self._ask()

    def _ask(self):
        self.since = time.monotonic()
        self._data = b''
        if self.socket is None:
            self._used = False
            self.socket = socket.socket()
            self.socket.setblocking(False)
            if self.socket.connect_ex((guest.LOOPBACK, self._load.port)) not in (0, EINPROGRESS):
                raise OSError('cannot connect')
            self._load.selector.register(self.socket, selectors.EVENT_WRITE, self)
        else:
            self._send()

    def _send(self):
        kind = b'keep-alive' if self._keeps else b'close'
        try:
            self.socket.sendall(b'GET /?%d HTTP/1.1\r\nHost: guest\r\nConnection: %s\r\n\r\n' % (self._number, kind))
        except (ConnectionResetError, BrokenPipeError) as error:
            self._lost(str(error))
            return
        self._load.selector.modify(self.socket, selectors.EVENT_READ, self)

    def close(self):
        self._load.selector.unregister(self.socket)
        self.socket.close()
        self.socket = None

    def _lost(self, reason):
        self.close()
        if self._used and not self._data and not self._retried:
            self._retried = True
            self._load.retries += 1
            self._load.retried.add(self._number)
            self._ask()
            return
        used = 'used' if self._used else 'new'
        self._load.failures.append(f'request {self._number} on a {used} connection: {reason}, {self._data[:300]!r}')
        if not self._load.is_ending:
            self._next()

    def serve(self, events):
        """Does what can be done now."""
        if events & selectors.EVENT_WRITE:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self._lost(f'connect: errno {error}')
            else:
                self._send()
            return
        try:
            part = self.socket.recv(65536)
        except ConnectionResetError:
            self._lost('reset')
            return
        if not part:
            self._lost('closed')
            return
        self._data += part
        answer = split_answer(self._data)
        if not answer:
            return
        header, body, rest = answer
        if not header.startswith(b'HTTP/1.1 200 ') or body != self._load.page or rest:
            self._load.failures.append(f'request {self._number}: not the page: {self._data[:300]!r}')
        self._load.finished.append(self._number)
        self._load.longest = max(self._load.longest, time.monotonic() - self.since)
        self._used = True
        if not self._keeps or b'\r\nConnection: close' in header:
            self.close()
        if not self._load.is_ending:
            self._next()
        elif self.socket is not None:
            self.close()


class Load(threading.Thread):
    """with Load(port, page) as load: ...; then load.failures, retries, and finished say how it went.

    finished: the numbers of the requests that were answered; each asked for /?NUMBER. retried: of those that were
    asked twice.
    """

    def __init__(self, port, page, clients=16):
        super().__init__(daemon=True)
        self.port = port
        self.page = page
        self.failures = []
        self.retries = 0
        self.retried = set()
        self.finished = []
        self.longest = 0
        self.is_ending = False
        self.selector = selectors.DefaultSelector()
        self._clients = clients
        self._taken = 0

    def take_number(self):
        self._taken += 1
        return self._taken

    def run(self):
        try:
            for index in range(self._clients):
                _Client(self, keeps=index % 2 == 0)
            while self.selector.get_map():
                for key, events in self.selector.select(1):
                    key.data.serve(events)
                waiting = [key.data for key in self.selector.get_map().values()]
                if any(time.monotonic() - client.since > STALL for client in waiting):
                    raise TimeoutError(f'a client waits for {STALL} s')
        except (OSError, ArithmeticError, AttributeError, ValueError) as error:
            self.failures.append(f'the load ended: {error!r}')

    def wait_for(self, count):
        """Until so many more requests are answered."""
        goal = len(self.finished) + count
        while len(self.finished) < goal and self.is_alive():
            time.sleep(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        self.join()
