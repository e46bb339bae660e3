#!/usr/bin/env python3
"""sqlite3 with a database on disk: what it writes in the guest, and what it reads of a database written outside."""

import os
import re
import subprocess
import tempfile

from tests import guest

SQLITE = '/usr/bin/sqlite3'

FILL = '''
    CREATE TABLE measure(id INTEGER PRIMARY KEY, name TEXT NOT NULL, value REAL);
    CREATE INDEX by_name ON measure(name);
    BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
      INSERT INTO measure(name, value) SELECT 'name ' || (i % 100), i * 0.5 FROM n;
    COMMIT;
    DELETE FROM measure WHERE id % 3 = 0;
    UPDATE measure SET value = -value WHERE name = 'name 7';
'''
QUESTIONS = '''
    SELECT count(*), sum(value), min(value) FROM measure;
    SELECT name, count(*) FROM measure GROUP BY name ORDER BY name LIMIT 3;
    PRAGMA integrity_check;
'''
ANSWERS = '2000|1471860.0|-1403.5\nname 0|20\nname 1|20\nname 10|20\nok\n'


class Sqlite3(guest.TestCase):
    def test_fills_a_database_on_disk_and_finds_it_whole(self):
        for mode, told in (('delete', 'delete\n'), ('wal', 'wal\n')):
            with self.subTest(journal=mode):
                self.assert_output(self.run_guest(SQLITE, '/tmp/data.db', f'PRAGMA journal_mode={mode};', FILL,
                                                  'VACUUM;', QUESTIONS), told + ANSWERS)

    def test_rolls_back(self):
        self.assert_output(self.run_guest(
            SQLITE, '/tmp/data.db', 'CREATE TABLE t(a); INSERT INTO t VALUES(1);',
            'PRAGMA cache_size=5; BEGIN; UPDATE t SET a = 2; CREATE TABLE big(b);',
            "INSERT INTO big SELECT zeroblob(100000) FROM (VALUES(1),(2),(3)); ROLLBACK;",
            'SELECT a FROM t; SELECT count(*) FROM sqlite_schema; PRAGMA integrity_check;'), '1\n1\nok\n')

    def test_reads_a_database_of_the_host(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'data.db')
            subprocess.run([SQLITE, path, FILL], check=True)
            self.assert_output(self.run_guest(SQLITE, '/data.db', QUESTIONS, options=['-v', f'{path}:/data.db:ro']),
                               ANSWERS)

    def test_reports_errors(self):
        run = self.run_guest(SQLITE, '/tmp/data.db', 'SELECT * FROM absent;')
        self.assertEqual(run.stdout, '')
        self.assertTrue(re.search('no such table: absent', run.stderr))
        self.assert_status(run, 1)


if __name__ == '__main__':
    guest.main()
