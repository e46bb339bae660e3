#!/usr/bin/env python3
"""Debian's redis-server in the guest, with redis-cli and redis-benchmark outside."""

import csv
import random
import signal
import socket
import subprocess

from tests import guest
from tests.servers.resp import STALL, command

PORT = 6379
COMMAND = ('/usr/bin/redis-server', '--protected-mode', 'no')
CLIENTS = 50
# What redis-benchmark tests unless it is told, by the beginnings of its own names.
TESTS = ('PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'LPUSH', 'RPUSH', 'LPOP', 'RPOP', 'SADD', 'HSET', 'SPOP',
         'ZADD', 'ZPOPMIN', 'LPUSH (needed', 'LRANGE_100', 'LRANGE_300', 'LRANGE_500', 'LRANGE_600', 'MSET')


class Values:
    """Keys and values of sizes from a hundred bytes to a third of a megabyte, 16 MiB together, the same each time."""

    TOTAL = 16 << 20
    SIZES = (100, 1000, 5000, 65536, 300000)

    def __init__(self):
        self._bytes = random.Random(7).randbytes(1 << 20)
        self.count = 0
        total = 0
        while total < self.TOTAL:
            total += len(self.value(self.count))
            self.count += 1

    def value(self, number):
        size = self.SIZES[number % len(self.SIZES)]
        start = number * 7919 % (len(self._bytes) - size)
        return self._bytes[start:start + size] + b'%d' % number


class Redis(guest.TestCase):
    def setUp(self):
        super().setUp()
        self.port = guest.free_port()
        self.server = self.start_guest(*COMMAND, options=['-p', f'{self.port}:{PORT}'], limit=280)
        self.server.wait_for_output('Ready to accept connections')

    def client(self, *words, limit=60):
        """One of redis' own clients; what it printed."""
        done = subprocess.run([words[0], '-h', guest.LOOPBACK, '-p', str(self.port), *words[1:]], timeout=limit,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.stderr, '')
        self.assertEqual(done.returncode, 0)
        return done.stdout

    def benchmark(self, pipeline):
        output = self.client('redis-benchmark', '--csv', '-n', '2000', '-c', str(CLIENTS), '-P', str(pipeline),
                             limit=140)
        # A line about redis' configuration may come first.
        rows = [row for row in csv.reader(output.splitlines()) if len(row) > 2 and row[0] != 'test']
        self.assertEqual(len(rows), len(TESTS), output)
        for row, name in zip(rows, TESTS):
            self.assertTrue(row[0].startswith(name), row)
            self.assertGreater(float(row[1]), 0, row)

    def test_cli_and_end(self):
        self.assertEqual(self.client('redis-cli', 'PING'), 'PONG\n')
        self.assertEqual(self.client('redis-cli', 'SET', 'whale', 'narwhal'), 'OK\n')
        self.assertEqual(self.client('redis-cli', 'GET', 'whale'), 'narwhal\n')
        self.assertEqual(self.client('redis-cli', 'INCR', 'count'), '1\n')
        self.assertEqual(self.client('redis-cli', 'DEL', 'whale', 'count', 'nothing'), '2\n')
        self.assertEqual(self.client('redis-cli', 'DBSIZE'), '0\n')
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()
        self.assertIn('Redis is now ready to exit, bye bye', self.server.stdout)
        self.assert_no_messages(self.server)
        self.assert_status(self.server, 0)

    def test_benchmark(self):
        self.benchmark(pipeline=1)
        self.benchmark(pipeline=16)

    def test_data_comes_back(self):
        values = Values()
        with socket.create_connection((guest.LOOPBACK, self.port), timeout=STALL) as connection:
            stream = connection.makefile('rb')
            for number in range(values.count):
                connection.sendall(command(b'SET', b'key:%d' % number, values.value(number)))
                self.assertEqual(stream.readline(), b'+OK\r\n')
            connection.sendall(command(b'DBSIZE'))
            self.assertEqual(stream.readline(), b':%d\r\n' % values.count)
            # All at once: as much as the buffers on the way take waits in them.
            connection.sendall(b''.join(command(b'GET', b'key:%d' % number) for number in range(values.count)))
            for number in range(values.count):
                expected = values.value(number)
                self.assertEqual(stream.readline(), b'$%d\r\n' % len(expected))
                # Not assertEqual: nobody wants to read the difference.
                self.assertTrue(stream.read(len(expected) + 2) == expected + b'\r\n', f'key:{number}')


if __name__ == '__main__':
    guest.main()
