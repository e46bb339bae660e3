#!/usr/bin/env python3
"""Stock git in the guest: what it makes is what git makes here, in names (checksums) and in files."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests import guest

WORK = pathlib.Path(__file__).resolve().parent / 'git' / 'work'
ENVIRONMENT = {'PATH': os.environ['PATH'], 'HOME': '/nonexistent', 'GIT_CONFIG_NOSYSTEM': '1', 'LC_ALL': 'C'}


def git(folder, *arguments):
    """Here, on what the guest has made; what it says of a fault, too."""
    command = ['git', '-c', 'safe.directory=*', '-C', str(folder), *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=ENVIRONMENT, text=True,
                         check=False, timeout=60)
    return run.returncode, run.stdout


@unittest.skipUnless(shutil.which('git'), 'git is not installed')
class Git(guest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_git(self, *command, options=()):
        return self.run_guest(*command, memory='512M', limit=250, options=[
            '--package', 'git', '--package', 'bash', '--include', f'{WORK}:/work', *options])

    def test_works_as_here_in_memory_and_in_a_shared_folder(self):
        shared, here = self.folder / 'shared', self.folder / 'here'
        shared.mkdir()
        here.mkdir()
        run = self.run_git('/bin/bash', '-c', 'mkdir /tmp/memory; bash /work /tmp/memory 2>&1 && bash /work /shared 2>&1',
                           options=['-v', f'{shared}:/shared'])
        expected = subprocess.run(['/bin/bash', WORK, here], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=ENVIRONMENT, text=True, check=False, timeout=60)
        self.assertEqual(expected.returncode, 0, expected.stdout)
        self.assertEqual(run.stdout, expected.stdout.replace(str(here), '/tmp/memory') +
                         expected.stdout.replace(str(here), '/shared'))
        self.assert_no_messages(run)
        self.assert_status(run, 0)
        # The folder of the guest, looked at by git here.
        for name in ('by_path', 'by_url', 'bare.git', 'project'):
            with self.subTest(name):
                self.assertEqual(git(shared / name, 'fsck', '--strict', '--full'), git(here / name, 'fsck', '--strict', '--full'))
                for arguments in (('log', '--all', '--format=%H %T %an %ad %s', '--raw'), ('for-each-ref',),
                                  ('ls-tree', '-r', 'HEAD')):
                    self.assertEqual(git(shared / name, *arguments), git(here / name, *arguments))
        self.assertEqual(git(shared / 'by_url', 'status', '--short'), (0, ''))
        self.assertEqual(git(self.folder, 'clone', '-q', shared / 'bare.git', self.folder / 'clone'), (0, ''))

    def test_clones_a_repository_of_this_machine(self):
        here = self.folder / 'here'
        here.mkdir()
        subprocess.run(['/bin/bash', WORK, here], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
                       check=True, timeout=60)
        script = '''set -e; cd /tmp; git config --global safe.directory '*'
            git clone -q /here/project a; git clone -q file:///here/bare.git b
            git -C a fsck --strict --no-dangling; git -C b fsck --strict --no-dangling; git -C b log --format=%H:%s'''
        run = self.run_git('/bin/bash', '-c', script, options=['-v', f'{here}:/here:ro'])
        self.assert_output(run, git(here / 'bare.git', 'log', '--format=%H:%s')[1])


if __name__ == '__main__':
    guest.main()
