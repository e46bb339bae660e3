#!/usr/bin/env python3
"""Folders of this machine that the guest sees (-v), with stock programs that read, write, map and run from them."""

import os
import pathlib
import sqlite3
import tempfile

from tests import guest

BUSYBOX = '/bin/busybox'
PYTHON = '/usr/bin/python3'

MAP_AND_CALL = '''
import mmap, os
file = open('/data/mapped', 'w+b')
file.truncate(10000)
pages = mmap.mmap(file.fileno(), 10000)
pages[5000:5005] = b'hello'
print(os.pread(file.fileno(), 5, 5000).decode(), flush=True)
os.pwrite(file.fileno(), b'XY', 5001)
print(pages[5000:5005].decode(), flush=True)
pages[0:5] = b'early'
pages.flush()
pages[9995:10000] = b'final'
os._exit(0)
'''

DATABASE = '''
import sqlite3
base = sqlite3.connect('/data/base')
base.execute('pragma journal_mode=wal')
base.execute('create table numbers(n)')
base.executemany('insert into numbers values(?)', [(n,) for n in range(1000)])
base.commit()
print(base.execute('pragma integrity_check').fetchone()[0])
base.close()
'''


MANY_AT_ONCE = '''
import os
for child in range(8):
    if os.fork() == 0:
        name = f'/data/{child}'
        for i in range(60):
            with open(name, 'w') as file:
                file.write(str(i))
            os.stat('/data')
            assert open(name).read() == str(i)
            os.rename(name, name + '.old')
        os._exit(0)
print(sum(os.wait()[1] for child in range(8)))
'''


class Volume(guest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_with(self, *command, how=''):
        return self.run_guest(*command, options=['-v', f'{self.folder}:/data{how}'])

    def shell(self, script, how=''):
        return self.run_with(BUSYBOX, 'sh', '-c', script, how=how)

    def test_what_the_guest_changes_stays(self):
        (self.folder / 'old').write_text('from the host\n')
        (self.folder / 'doomed').write_text('')
        run = self.shell('cat /data/old; echo from the guest >/data/new; mkdir /data/d; mv /data/new /data/d/moved; '
                         'ln -s moved /data/d/link; cat /data/d/link; rm /data/doomed; chmod 600 /data/old; '
                         'dd if=/dev/zero of=/data/long bs=64k count=32 2>/dev/null; cp /data/long /data/copy')
        self.assert_output(run, 'from the host\nfrom the guest\n')
        self.assertEqual((self.folder / 'd/moved').read_text(), 'from the guest\n')
        self.assertEqual(os.readlink(self.folder / 'd/link'), 'moved')
        self.assertEqual(sorted(os.listdir(self.folder)), ['copy', 'd', 'long', 'old'])
        self.assertEqual((self.folder / 'old').stat().st_mode & 0o7777, 0o600)
        self.assertEqual((self.folder / 'copy').read_bytes(), bytes(2 << 20))

    def test_what_the_host_changes_is_seen(self):
        run = self.start_guest(BUSYBOX, 'sh', '-c',
                               'echo ready; while [ ! -e /data/go ]; do usleep 20000; done; cat /data/go; '
                               'while [ -e /data/go ]; do usleep 20000; done; echo gone',
                               options=['-v', f'{self.folder}:/data'])
        run.wait_for_output('ready')
        (self.folder / 'go.part').write_text('whole\n')
        (self.folder / 'go.part').rename(self.folder / 'go')
        run.wait_for_output('whole')
        (self.folder / 'go').unlink()
        run.wait()
        self.assert_output(run, 'ready\nwhole\ngone\n')

    def test_nothing_can_be_changed_read_only(self):
        (self.folder / 'file').write_text('content\n')
        run = self.shell('cat /data/file; echo x >/data/file; touch /data/new; rm /data/file; mkdir /data/d; '
                         'grep -c " /data 9p ro," /proc/mounts', how=':ro')
        self.assertEqual(run.stdout, 'content\n1\n')
        self.assertEqual(run.stderr.count('Read-only file system'), 4)
        self.assertEqual(os.listdir(self.folder), ['file'])

    def test_mapped_pages_reach_the_host_at_the_latest_when_the_process_ends(self):
        run = self.run_with(PYTHON, '-c', MAP_AND_CALL)
        self.assert_output(run, 'hello\nhXYlo\n')
        content = (self.folder / 'mapped').read_bytes()
        self.assertEqual(len(content), 10000)
        self.assertEqual(content[:5] + content[5000:5005] + content[9995:], b'early' + b'hXYlo' + b'final')

    def test_many_at_once(self):
        self.assert_output(self.run_with(PYTHON, '-c', MANY_AT_ONCE), '0\n')
        self.assertEqual(sorted(os.listdir(self.folder)), [f'{child}.old' for child in range(8)])

    def test_a_database_with_a_shared_index_in_memory(self):
        self.assert_output(self.run_with(PYTHON, '-c', DATABASE), 'ok\n')
        base = sqlite3.connect(self.folder / 'base')
        self.assertEqual(base.execute('select count(*), sum(n) from numbers').fetchone(), (1000, 499500))
        base.close()

    def test_a_program_runs_from_a_folder_with_the_libraries_that_it_needs(self):
        program = self.folder / 'bin' / 'mine'
        program.parent.mkdir()
        program.write_bytes(pathlib.Path('/usr/bin/sqlite3').read_bytes())
        program.chmod(0o755)
        run = self.run_with('/data/bin/mine', ':memory:', 'select 6 * 7')
        self.assert_output(run, '42\n')

    def test_a_file_alone_is_a_copy_and_that_is_said(self):
        file = self.folder / 'alone'
        file.write_text('before\n')
        run = self.run_guest(BUSYBOX, 'sh', '-c', 'cat /x; echo after >/x', options=['-v', f'{file}:/x'])
        self.assertEqual(run.stdout, 'before\n')
        self.assertIn('works on a copy of this file', run.stderr)
        self.assertEqual(file.read_text(), 'before\n')


if __name__ == '__main__':
    guest.main()
