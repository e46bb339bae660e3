#!/usr/bin/env python3
"""Stock PostgreSQL in the guest: initdb, pgbench, stops of every kind, and recovery (postgresql/work).

NARWHAL_TEST_PGBENCH=60 (bazel test --test_env=NARWHAL_TEST_PGBENCH=60) has pgbench work for so many seconds, not for 3.
"""

import os
import pathlib
import sys
import unittest

from tests import guest

WORK = pathlib.Path(__file__).resolve().parent / 'postgresql' / 'work'
SERVERS = sorted(pathlib.Path('/usr/lib/postgresql').glob('*/bin/postgres'))
SECONDS = int(os.environ.get('NARWHAL_TEST_PGBENCH', '3'))

EXPECTED = '''postgres|f
failed: 0
every transaction is there
100000 t t 0
100000
100000|100000
3685093400 788895
Asynchronous notification "news" with payload "hello"
ERROR:  division by zero
psql ended with 1
stopped
100000 t t 0
the client of a killed process ended with 2
1000
100000 t t 0
1500
100
100
100000 t t 0
shut down
3
 1 LOG: all server processes terminated
 3 LOG: database system was interrupted
 1 LOG: server process (PID
'''


@unittest.skipUnless(SERVERS, 'PostgreSQL is not installed')
class PostgreSQL(guest.TestCase):
    def test_keeps_what_was_committed(self):
        package = 'postgresql-' + SERVERS[-1].parts[-3]
        run = self.run_guest('/bin/bash', '/work', str(SECONDS), memory='512M', limit=240 + SECONDS, options=[
            '-u', 'postgres', '-e', 'HOME=/tmp', '--package', package, '--package', 'bash', '--include', f'{WORK}:/work'])
        self.assertEqual(run.stdout, EXPECTED)
        self.assertRegex(run.stderr, r'\Anumber of transactions actually processed: [1-9]\d*\n'
                                     r'latency average = \S+ ms\ntps = \S+ \(without initial connection time\)\n\Z')
        self.assert_status(run, 0)
        print(run.stderr, file=sys.stderr)


if __name__ == '__main__':
    guest.main()
