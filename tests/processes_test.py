#!/usr/bin/env python3
"""Python programs of many processes: multiprocessing, futures, subprocess, asyncio, signals (python/processes.py).

What the program prints in a guest must be what it prints here.
"""

import pathlib
import subprocess
import tempfile

from tests import guest

PYTHON = '/usr/bin/python3'
PROGRAM = pathlib.Path(__file__).resolve().parent / 'python' / 'processes.py'


class Processes(guest.TestCase):
    def check(self, *parts):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        here = subprocess.Popen([PYTHON, PROGRAM, *parts], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=folder.name, text=True)
        self.addCleanup(here.stdout.close)
        self.addCleanup(here.stderr.close)
        run = self.start_guest(PYTHON, '/processes.py', *parts, memory='512M', options=[
            '-w', '/tmp', '--package', 'python3', '--package', 'bash', '--include', f'{PROGRAM}:/processes.py'])
        expected, messages = here.communicate(timeout=100)
        self.assertEqual((here.returncode, messages), (0, ''))
        run.wait()
        self.assert_output(run, expected)

    def test_workers_that_are_forked(self):
        self.check('fork', 'forkserver')

    def test_workers_that_start_anew(self):
        self.check('spawn')

    def test_programs_and_signals(self):
        self.check('futures', 'programs', 'asynchronous', 'signals')


if __name__ == '__main__':
    guest.main()
