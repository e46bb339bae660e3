#!/usr/bin/env python3
"""memcached in the guest, with several clients of its text protocol outside."""

import hashlib
import re
import threading

from tests import guest

PORT = 11211


class Client:
    """One connection: storage and retrieval commands of memcached's protocol.txt."""

    def __init__(self, connection):
        self._stream = connection.makefile('rwb')
        self._connection = connection

    def ask(self, line, data=None):
        self._stream.write(line.encode() + b'\r\n' + (b'' if data is None else data + b'\r\n'))
        self._stream.flush()
        return self._stream.readline().rstrip(b'\r\n').decode()

    def set(self, key, data, flags=0, expires=0):
        return self.ask(f'set {key} {flags} {expires} {len(data)}', data)

    def get(self, *keys):
        found = {}
        line = self.ask('get ' + ' '.join(keys))
        while line != 'END':
            _, key, _, size = line.split()
            found[key] = self._stream.read(int(size))
            self._stream.readline()
            line = self._stream.readline().rstrip(b'\r\n').decode()
        return found

    def stats(self):
        result = {}
        line = self.ask('stats')
        while line != 'END':
            _, name, value = line.split(' ', 2)
            result[name] = value
            line = self._stream.readline().rstrip(b'\r\n').decode()
        return result

    def close(self):
        self._stream.close()
        self._connection.close()


def value_of(number):
    return hashlib.sha512(b'%d' % number).digest() * (1 + number % 40)


class Memcached(guest.TestCase):
    def setUp(self):
        super().setUp()
        self.port = guest.free_port()
        self.server = self.start_guest('/usr/bin/memcached', '-u', 'nobody', '-m', '64', '-t', '4', '-U', '0',
                                       options=['-p', f'{self.port}:{PORT}'])

    def client(self):
        client = Client(self.server.connect(self.port, question=b'version\r\n'))
        self.addCleanup(client.close)
        return client

    def test_serves_clients_and_ends_with_sigterm(self):
        client = self.client()
        self.assertRegex(client.ask('version'), r'^VERSION 1\.')
        self.assertEqual(client.set('greeting', b'hello'), 'STORED')
        self.assertEqual(client.get('greeting', 'nothing'), {'greeting': b'hello'})
        self.assertEqual(client.ask('add greeting 0 0 1', b'x'), 'NOT_STORED')
        self.assertEqual(client.ask('append greeting 0 0 6', b' world'), 'STORED')
        self.assertEqual(client.get('greeting'), {'greeting': b'hello world'})
        self.assertEqual(client.set('count', b'41'), 'STORED')
        self.assertEqual(client.ask('incr count 1'), '42')
        self.assertEqual(client.ask('delete greeting'), 'DELETED')
        self.assertEqual(client.get('greeting'), {})
        large = b'0123456789abcdef' * 40000
        self.assertEqual(client.set('large', large), 'STORED')
        self.assertTrue(client.get('large')['large'] == large)

        # Four clients at once, each of them on a worker thread of its own.
        problems = []

        def work(which):
            try:
                own = self.client()
                for number in range(which, 400, 4):
                    if own.set(f'key{number}', value_of(number)) != 'STORED':
                        problems.append(f'key{number} was not stored')
                for number in range(which, 400, 4):
                    if own.get(f'key{number}') != {f'key{number}': value_of(number)}:
                        problems.append(f'key{number} came back wrong')
            except Exception as error:  # for the test's own thread to see
                problems.append(repr(error))

        workers = [threading.Thread(target=work, args=(which,)) for which in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(problems, [])
        keys = [f'key{number}' for number in range(400)]
        self.assertEqual(len(client.get(*keys)), 400)

        stats = client.stats()
        self.assertEqual(stats['curr_items'], '402')
        self.assertEqual(stats['threads'], '4')
        self.assertTrue(re.fullmatch(r'\d+', stats['uptime']))

        self.server.send_signal(15)
        self.server.wait()
        self.assert_status(self.server, 0)


if __name__ == '__main__':
    guest.main()
