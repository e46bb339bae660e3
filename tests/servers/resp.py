"""redis' protocol, servers of this machine to compare with, and clients that write without a pause."""

import random
import socket
import subprocess
import threading
import time

from tests import guest

STALL = 30  # seconds without an answer
PROGRAM = '/usr/bin/redis-server'
READY = 'Ready to accept connections'


def command(*words):
    """In the protocol's form: an array of strings."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b'*%d\r\n' % len(words) + b''.join(b'$%d\r\n%s\r\n' % (len(word), word) for word in words)


class RedisError(Exception):
    """The server's answer was an error."""


class Connection:
    """connection('SET', key, value) asks and returns the answer: str of a status, int, bytes, None, or a list."""

    def __init__(self, port, timeout=STALL):
        self._socket = socket.create_connection((guest.LOOPBACK, port), timeout=timeout)
        self._stream = self._socket.makefile('rb')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._stream.close()
        self._socket.close()

    def send(self, data):
        self._socket.sendall(data)

    def receive(self):
        line = self._stream.readline()
        if not line.endswith(b'\r\n'):
            raise ConnectionResetError('the server closed the connection')
        kind, rest = line[:1], line[1:-2]
        if kind == b'+':
            return rest.decode()
        if kind == b'-':
            raise RedisError(rest.decode())
        if kind == b':':
            return int(rest)
        size = int(rest)
        if size < 0:
            return None
        if kind == b'$':
            data = self._stream.read(size + 2)
            if len(data) != size + 2:
                raise ConnectionResetError('the server closed the connection')
            return data[:-2]
        return [self.receive() for _ in range(size)]

    def __call__(self, *words):
        self.send(command(*words))
        return self.receive()

    def info(self):
        """INFO's fields by name."""
        lines = self('INFO', 'everything').decode().splitlines()
        return dict(line.split(':', 1) for line in lines if ':' in line)

    def wait_until(self, condition, limit=STALL):
        """Until the condition is true of what INFO tells; returns that."""
        end = time.monotonic() + limit
        while True:
            info = self.info()
            if condition(info):
                return info
            if time.monotonic() > end:
                raise TimeoutError(f'after {limit} s: {info}')
            time.sleep(0.02)

    def wait_for_info(self, limit=STALL, **wanted):
        """Until INFO tells this, all of it; returns everything that it tells."""
        return self.wait_until(lambda info: all(info.get(name) == str(value) for name, value in wanted.items()), limit)

    def digest(self):
        """One number for all keys and values (needs --enable-debug-command yes)."""
        return self('DEBUG', 'DIGEST')


class NativeServer:
    """A redis-server on this machine, for as long as a with statement."""

    def __init__(self, folder, *options):
        self.port = guest.free_port()
        self._process = subprocess.Popen([PROGRAM, '--port', str(self.port), '--bind', guest.LOOPBACK, '--dir', folder,
                                          '--save', '', '--enable-debug-command', 'yes', *options],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.lines = []
        for line in self._process.stdout:
            self.lines.append(line)
            if READY in line:
                break
        else:
            raise RuntimeError('redis-server does not start: ' + ''.join(self.lines))
        threading.Thread(target=self.lines.extend, args=(self._process.stdout,), daemon=True).start()

    def connect(self):
        return Connection(self.port)

    def stop(self):
        self._process.terminate()
        self._process.wait(STALL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class WriteLoad(threading.Thread):
    """Writes without a pause while a with statement runs, such that any consistent copy of the data can be checked.

    Every transaction gives all keys of one group the same new version: GROUP:FIELD becomes a value that the key and
    the version make. Together with churn: list elements that come and go.
    """

    GROUPS = 200
    FIELDS = 4
    SIZES = (20, 300, 2000, 20000)

    def __init__(self, port, seed=1, pause=0):
        """pause: seconds between two transactions."""
        super().__init__(daemon=True)
        self.failure = None
        self.transactions = 0
        self._port = port
        self._pause = pause
        self._random = random.Random(seed)
        self.is_ending = False
        self._prefix = f'load{seed}'

    @classmethod
    def value(cls, field, version):
        # Compresses badly, is made quickly.
        size = cls.SIZES[field]
        return b'%d:' % version + random.Random(version).randbytes(64) * (size // 64) + b'x' * (size % 64)

    def write(self, connection, version):
        group = self._random.randrange(self.GROUPS)
        words = [command('MULTI')]
        for field in range(self.FIELDS):
            words.append(command('SET', f'{self._prefix}:{group}:{field}', self.value(field, version)))
        words.append(command('RPUSH', f'{self._prefix}:list', version))
        words.append(command('EXEC'))
        connection.send(b''.join(words))
        for _ in words[:-1]:
            connection.receive()
        if connection.receive()[:-1] != ['OK'] * self.FIELDS:
            raise RedisError('a transaction was not done')

    def run(self):
        try:
            with Connection(self._port) as connection:
                while not self.is_ending:
                    self.write(connection, self.transactions + 1)
                    self.transactions += 1
                    time.sleep(self._pause)
        except (OSError, RedisError) as error:
            self.failure = error

    def wait_for(self, count):
        """Until so many more transactions are done."""
        goal = self.transactions + count
        while self.transactions < goal and self.is_alive():
            time.sleep(0.005)

    def check(self, connection, least, most):
        """The server holds what was there after one of these numbers of transactions; returns which."""
        versions = [int(text) for text in connection('LRANGE', f'{self._prefix}:list', 0, -1)]
        count = len(versions)
        if not least <= count <= most or versions != list(range(1, count + 1)):
            raise AssertionError(f'not {least} to {most} versions in order: {count}, {versions[:3]}, {versions[-3:]}')
        newest = {}
        again = random.Random()
        again.setstate(self._start)
        for version in versions:
            newest[again.randrange(self.GROUPS)] = version
        for group, version in newest.items():
            names = [f'{self._prefix}:{group}:{field}' for field in range(self.FIELDS)]
            if connection('MGET', *names) != [self.value(field, version) for field in range(self.FIELDS)]:
                raise AssertionError(f'group {group} is not what version {version} wrote')
        return count

    def __enter__(self):
        self._start = self._random.getstate()
        self.start()
        return self

    def __exit__(self, *_):
        self.is_ending = True
        self.join()
