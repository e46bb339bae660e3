#!/usr/bin/env python3
"""`narwhal conformance`, with a small folder that has an LTP's shape and tests of every kind of end."""

import glob
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from tests import guest

# Name: the runtest file's command, the program (None: none of its own), what it counts as, and why.
TESTS = {
    'pass01': ('pass01', 'echo "pass01.c:1: TPASS: fine"', 'pass', ''),
    'quotes01': ('''words 'one  two' "$TMPDIR" | grep -c '^one  two$' >count; read n <count; [ $n = 1 ]''',
                 None, 'pass', ''),
    'fail01': ('fail01 -v', 'echo "fail01.c:1: TPASS: first"; echo "fail01.c:2: TFAIL: $1 is wrong"; exit 1', 'fail',
               '-v is wrong'),
    'broken01': ('broken01', 'echo "broken01.c:7: TBROK: no room"; exit 2', 'broken', 'no room'),
    'absent01': ('no_such_program -x', None, 'broken', 'sh: 1: no_such_program: not found'),
    'conf01': ('conf01', 'echo "conf01.c:3: TCONF: not here" >&2; exit 32', 'not configured', 'not here'),
    'crash01': ('crash01', 'echo before; kill -SEGV $$', 'crash', 'Segmentation fault after: before'),
    'hang01': ('hang01', 'echo waiting; sleep 1000 & sleep 1000', 'time over', 'after: waiting'),
    # Signals to everybody reach everybody but the runner.
    'all01': ('trap "" TERM; all01', 'kill -TERM -1; :', 'pass', ''),
    'host01': ('host01', 'hostname changed && [ "$(hostname)" = changed ] && mount -t tmpfs none $TMPDIR && '
               'echo 1 >$TMPDIR/file', 'pass', ''),
    # Mounts and loop devices are cleared away; the next test sees none of them.
    'loop01': ('loop01', 'truncate -s 1M $TMPDIR/image\nlosetup -f $TMPDIR/image 2>/dev/null; :', 'pass', ''),
    'clean01': ('clean01', '[ -z "$(ls -A $TMPDIR)" ] && [ "$LTP_NOTE" = here ] && [ -f $LTPROOT/runtest/small ]',
                'pass', ''),
    # The runner crashes, and with it goes its namespace or its guest.
    'deadly01': ('break_init', None, 'machine ended', None),
    'after01': ('after01', ':', 'pass', ''),
}


def can_isolate():
    """Whether this machine lets us have namespaces."""
    probe = ['unshare', '--mount', '--uts', '--ipc', '--net', '--pid', '--fork', 'true']
    return os.geteuid() == 0 and subprocess.run(probe, capture_output=True, check=False).returncode == 0


class Conformance(guest.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def make_ltp(self, place):
        root = os.path.join(self.folder, 'ltp')
        os.makedirs(os.path.join(root, 'runtest'))
        os.makedirs(os.path.join(root, place))
        with open(os.path.join(root, 'runtest/small'), 'w', encoding='utf-8') as suite:
            suite.write('# of our own\n\n')
            for tag, (command, _, _, _) in TESTS.items():
                suite.write(f'{tag} {command}\n')
        programs = {tag: program for tag, (_, program, _, _) in TESTS.items() if program}
        programs['words'] = 'for word; do echo "$word"; done'
        for name, text in programs.items():
            path = os.path.join(root, place, name)
            with open(path, 'w', encoding='utf-8') as file:
                file.write('#!/bin/sh\n' + text + '\n')
            os.chmod(path, 0o755)
        shutil.copy(os.environ['BREAK_INIT'], os.path.join(root, place, 'break_init'))
        return root

    def run_conformance(self, root, *options):
        arguments = [os.path.abspath(os.environ['NARWHAL']), 'conformance', '--ltp', root, '--suite', 'small',
                     *guest.platform_options(options), *options]
        environment = {**os.environ, 'XDG_CACHE_HOME': os.path.join(self.folder, 'cache')}
        return subprocess.run(arguments, capture_output=True, text=True, env=environment, timeout=guest.TIME_LIMIT,
                              check=False)

    def table(self, run, name):
        with open(os.path.join(self.folder, name), encoding='utf-8') as file:
            table = json.load(file)
        self.assertEqual([test['tag'] for test in table['tests']], list(TESTS), run.stderr)
        return {test['tag']: test for test in table['tests']}

    @staticmethod
    def loop_devices():
        """Those with a file that was made by a test of ours."""
        names = []
        for path in glob.glob('/sys/block/loop*/loop/backing_file'):
            with open(path, encoding='utf-8') as file:
                names.append(file.read())
        return [name for name in names if '/ltp/image' in name]

    def check_verdicts(self, table, side):
        for tag, (_, _, verdict, reason) in TESTS.items():
            with self.subTest(tag=tag, side=side):
                self.assertEqual(table[tag][side]['verdict'], verdict, table[tag])
                if reason is not None:
                    self.assertEqual(table[tag][side]['reason'], reason)

    @unittest.skipUnless(can_isolate(), 'needs root and namespaces')
    def test_both_sides_come_to_the_same_verdicts(self):
        hostname = os.uname().nodename
        loops = self.loop_devices()
        root = self.make_ltp('testcases/bin')
        options = ['--time-limit', '3', '--slower', '4', '-m', '256M', '-e', 'LTP_NOTE=here']
        run = self.run_conformance(root, '--output', self.folder + '/table.md', *options)
        table = self.table(run, 'table.json')
        self.check_verdicts(table, 'native')
        self.check_verdicts(table, 'guest')
        self.assertEqual([tag for tag, test in table.items() if test['differs']], [])
        self.assertIn('14 tests; 7 pass natively, and of these 7 pass in the guest: 100.0 %.', run.stdout)
        self.assertIn('2 guests booted', run.stderr)
        self.assertEqual(run.returncode, 0)
        self.assertEqual(os.uname().nodename, hostname)
        self.assertEqual(self.loop_devices(), loops)
        with open(self.folder + '/table.md', encoding='utf-8') as file:
            self.assertIn('| fail01 | fail | fail |  | -v is wrong |', file.read())

        # What ran natively need not run again, and a test that passes natively only is a difference.
        with open(root + '/testcases/bin/pass01', encoding='utf-8') as file:
            status = os.stat(file.fileno())
        run = self.run_conformance(root, *options, '--only', 'pass01')
        self.assertIn('narwhal: native results: ', run.stderr)
        self.assertNotIn('narwhal: natively', run.stderr)
        self.assertEqual(run.returncode, 0)
        # Another program of the same length and time: what is kept is taken for its result.
        with open(root + '/testcases/bin/pass01', 'r+', encoding='utf-8') as file:
            text = file.read().replace('TPASS: fine', 'TFAIL: not!').replace('\necho', '\nfalse')
            file.seek(0)
            file.write(text[:status.st_size].ljust(status.st_size))
            file.truncate(status.st_size)
        os.utime(root + '/testcases/bin/pass01', ns=(status.st_atime_ns, status.st_mtime_ns))
        run = self.run_conformance(root, *options, '--only', 'pass01')
        self.assertRegex(run.stdout, r'(?m)^pass01 +pass +fail +yes ')
        self.assertEqual(run.returncode, 1)

    def test_a_source_tree_will_do_and_so_will_a_guest_alone(self):
        root = self.make_ltp('testcases/kernel/syscalls/small')
        run = self.run_conformance(root, '--without-native', '--only', '*01', '--skip', 'hang*', '--skip', 'deadly*',
                                   '--jobs', '2', '-m', '256M', '-e', 'LTP_NOTE=here')
        for tag, (_, _, verdict, reason) in TESTS.items():
            if verdict in ('time over', 'machine ended'):
                self.assertNotIn(tag, run.stdout)
                continue
            with self.subTest(tag=tag):
                self.assertRegex(run.stdout, rf'(?m)^{tag} +- +{verdict} *{reason}$', run.stderr)
        self.assertIn('2 guests booted', run.stderr)

    def test_what_cannot_be_done_is_said(self):
        root = self.make_ltp('testcases/bin')
        for arguments, pattern in (([root, '--only', 'none*'], 'no test'),
                                   ([root, '--suite', 'large'], 'small'),
                                   ([self.folder], 'no runtest/')):
            with self.subTest(pattern=pattern):
                run = self.run_conformance(*arguments)
                self.assertEqual(run.stdout, '')
                self.assertRegex(run.stderr, r'\Anarwhal: [^\n]*\n\Z')
                self.assertIn(pattern, run.stderr)
                self.assertEqual(run.returncode, 125)


if __name__ == '__main__':
    guest.main()
