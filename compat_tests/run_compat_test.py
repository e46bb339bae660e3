#!/usr/bin/env python3
"""Tests run_compat with shell scripts in the place of programs and of the `narwhal` command."""

import os
import stat
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'run_compat')

# Prints GoogleTest's lines for the checks A.one, A.two and A.three, without those that a filter excludes. What
# happens in each is said by the case statement that a test puts in.
PROGRAM = '''#!/bin/bash
excluded=
place=native
for argument in "$@"; do
  case $argument in --gtest_filter=-*) excluded=":${argument#--gtest_filter=-}:" ;; esac
done
[ -z "$IN_GUEST" ] || place=guest
status=0
echo '[==========] Running 3 tests from 1 test suite.'
for name in A.one A.two A.three; do
  case $excluded in *":$name:"*) continue ;; esac
  echo "[ RUN      ] $name"
  outcome=OK
  case $place-$name in
%s
  esac
  case $outcome in
    OK) echo "[       OK ] $name (1 ms)" ;;
    FAILED) echo "[  FAILED  ] $name (1 ms)"; status=1 ;;
    SKIPPED) echo "[  SKIPPED ] $name (0 ms)" ;;
  esac
done
echo '[==========] 3 tests from 1 test suite ran. (3 ms total)'
[ $status = 0 ] || echo '[  FAILED  ] A.one, listed below, which is no verdict'
exit $status
'''

# As `narwhal run` does: options, then the program; and a kernel that writes a log.
NARWHAL = '''#!/bin/bash
while [ "$1" != -- ]; do shift; done
shift
echo "kernel log" >&2
IN_GUEST=1 exec "$@"
'''


class RunCompatTest(unittest.TestCase):

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, stat.S_IRWXU)
        return path

    def run_with(self, cases, *options, narwhal=NARWHAL):
        program = self.write('program', PROGRAM % cases)
        self.xml = os.path.join(self.directory, 'result.xml')
        environment = {**os.environ, 'XML_OUTPUT_FILE': self.xml}
        environment.pop('IN_GUEST', None)
        return subprocess.run(
            [RUNNER, '--program', program, '--narwhal', self.write('narwhal', narwhal), '--kernel',
             '/dev/null', '--stall', '3', *options],
            capture_output=True, text=True, env=environment, check=False, timeout=60)

    def cases(self):
        """The verdicts of the XML file: name to passed, failed or skipped."""
        found = {}
        for case in ElementTree.parse(self.xml).getroot().iter('testcase'):
            failed, skipped = case.find('failure') is not None, case.find('skipped') is not None
            name = f'{case.get("classname")}.{case.get("name")}'
            found[name] = 'failed' if failed else 'skipped' if skipped else 'passed'
        return found

    def test_agreement(self):
        result = self.run_with('')
        self.assertEqual(0, result.returncode, result.stdout)
        self.assertEqual({'A.one': 'passed', 'A.two': 'passed', 'A.three': 'passed'}, self.cases())
        self.assertIn('3 of 3 verdicts agree', result.stdout)

    def test_native_failure(self):
        result = self.run_with('native-A.two) outcome=FAILED; echo "native says why" ;;')
        self.assertEqual(1, result.returncode)
        self.assertEqual('failed', self.cases()['A.two'])
        self.assertEqual('passed', self.cases()['A.one'])
        self.assertIn('native says why', result.stdout)

    def test_guest_failure_shows_output_and_log(self):
        result = self.run_with('guest-A.two) outcome=FAILED; echo "guest says why" ;;')
        self.assertEqual(1, result.returncode)
        self.assertEqual({'A.one': 'passed', 'A.two': 'failed', 'A.three': 'passed'}, self.cases())
        self.assertIn('guest: guest says why', result.stdout)
        self.assertIn('kernel log', result.stdout)

    def test_crash_does_not_hide_the_rest(self):
        result = self.run_with('guest-A.two) echo "last words"; exit 139 ;;')
        self.assertEqual(1, result.returncode)
        self.assertIn('native: passed, guest: crashed', result.stdout)
        self.assertIn('last words', result.stdout)
        self.assertEqual('passed', self.cases()['A.one'])
        self.assertEqual('passed', self.cases()['A.three'])

    def test_hang_does_not_hide_the_rest(self):
        result = self.run_with('guest-A.one) sleep 600 ;;')
        self.assertEqual(1, result.returncode)
        self.assertIn('native: passed, guest: hung', result.stdout)
        self.assertEqual('passed', self.cases()['A.three'])

    def test_skipped_natively_may_pass_in_the_guest(self):
        result = self.run_with('native-A.two) outcome=SKIPPED ;;')
        self.assertEqual(0, result.returncode, result.stdout)

    def test_skipped_in_both_is_reported_as_skipped(self):
        result = self.run_with('*-A.two) outcome=SKIPPED ;;')
        self.assertEqual(0, result.returncode, result.stdout)
        self.assertEqual('skipped', self.cases()['A.two'])

    def test_an_emulated_processor_excuses_the_guest(self):
        result = self.run_with("guest-A.two) outcome=SKIPPED; echo 'skipped: the emulated processor does not do this' ;;")
        self.assertEqual(0, result.returncode, result.stdout)

    def test_a_home_excuses_only_what_it_lacks(self):
        cases = "guest-A.two) outcome=SKIPPED; echo 'skipped: the host keeps the debug registers to itself' ;;"
        self.assertEqual(1, self.run_with(cases).returncode)
        result = self.run_with(cases, '--narwhal-option=--platform=process')
        self.assertEqual(0, result.returncode, result.stdout)

    def test_skipped_in_the_guest_only_is_a_difference(self):
        result = self.run_with('guest-A.two) outcome=SKIPPED ;;')
        self.assertEqual(1, result.returncode)
        self.assertEqual('failed', self.cases()['A.two'])

    def test_missing_in_the_guest_is_a_difference(self):
        result = self.run_with('', narwhal='#!/bin/bash\necho "no kernel" >&2; exit 9')
        self.assertEqual(1, result.returncode)
        self.assertIn('guest: missing', result.stdout)
        self.assertIn('ended early with status 9', result.stdout)
        self.assertIn('no kernel', result.stdout)

    def test_wrong_exit_status(self):
        result = self.run_with('guest-A.two) status=3 ;;')
        self.assertEqual(1, result.returncode)
        self.assertIn('the exit status is 3', result.stdout)

    def test_native_only(self):
        result = self.run_with('guest-A.two) outcome=FAILED ;;', '--only', 'native')
        self.assertEqual(0, result.returncode, result.stdout)

    def test_nothing_ran(self):
        result = self.run_with('*) exit 0 ;;')
        self.assertEqual(1, result.returncode)


if __name__ == '__main__':
    unittest.main()
