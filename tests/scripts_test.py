#!/usr/bin/env python3
"""Shell scripts (scripts/), each in a guest and on this machine: what they print must be the same, to the last byte."""

import os
import pathlib
import subprocess
import unittest

from tests import guest

SCRIPTS = pathlib.Path(__file__).resolve().parent / 'scripts'
RUNNER = SCRIPTS / 'run_script'


def packages():
    """With bash come the essential packages, and so the tools that every Debian has."""
    awk = os.path.basename(os.path.realpath('/usr/bin/awk'))
    return [option for name in ('bash', 'busybox-static', 'procps', awk) for option in ('--package', name)]


class Scripts(guest.TestCase):
    def check(self, name):
        here = subprocess.Popen([RUNNER, name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, start_new_session=True)
        self.addCleanup(here.stdout.close)
        self.addCleanup(here.stderr.close)
        run = self.start_guest('/bin/bash', '/scripts/run_script', name, memory='512M',
                               options=['--include', f'{SCRIPTS}:/scripts', *packages()])
        expected, messages = here.communicate(timeout=100)
        self.assertEqual((here.returncode, messages), (0, b''))
        run.wait()
        self.assert_output(run, expected.decode())

    def test_pipelines(self):
        self.check('pipelines.bash')

    def test_redirections(self):
        self.check('redirections.bash')

    def test_traps(self):
        self.check('traps.bash')

    def test_jobs(self):
        self.check('jobs.bash')

    def test_tools(self):
        self.check('tools.bash')

    def test_every_shell(self):
        self.check('subshells.sh')


if __name__ == '__main__':
    guest.main()
