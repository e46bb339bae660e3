#!/usr/bin/env python3
"""The program's standard streams are the command's own: shell lines that say the same natively and with a guest in them."""

import os
import shlex
import subprocess
import tempfile

from tests import guest


class Streams(guest.TestCase):
    def say(self, line, run):
        """What a line of bash prints and returns, in an empty folder; `run` stands before what may be a guest's program."""
        kernels = {name: os.path.abspath(os.environ[name])
                   for name in ('NARWHAL_KERNEL', 'NARWHAL_PROCESS_KERNEL') if name in os.environ}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(['bash', '-c', f'run() {{ {run} "$@"; }}\n{line}'], cwd=folder, capture_output=True,
                                  env={**os.environ, **kernels}, timeout=guest.TIME_LIMIT, check=False)
        return done.stdout, done.stderr, done.returncode

    def assert_same(self, line):
        narwhal = [os.path.abspath(os.environ['NARWHAL']), 'run', '-m', guest.MEMORY, '--net', 'none',
                   *guest.platform_options(), '--package', 'coreutils', '--']
        self.assertEqual(self.say(line, shlex.join(narwhal)), self.say(line, ''))

    def test_a_file_grows_at_its_end(self):
        self.assert_same('echo before > file; run echo more >> file; cat file')

    def test_writers_of_one_file_take_turns(self):
        self.assert_same('(echo one; run echo two; echo three) > file; cat file')

    def test_much_goes_through_pipes(self):
        self.assert_same('yes | head -c 5M | run cat | md5sum')

    def test_much_goes_into_a_file(self):
        self.assert_same('run head -c 5M /dev/zero > file; md5sum < file')

    def test_a_reader_that_leaves_ends_the_writer(self):
        self.assert_same('run yes | head -n 1; echo ${PIPESTATUS[0]}')

    def test_input_that_is_closed(self):
        self.assert_same('run cat < /dev/null; echo $?')

    @guest.needs_process('a machine is passed what its command reads')
    def test_what_the_program_does_not_read_stays(self):
        self.assert_same("printf 'one\\ntwo\\nthree\\n' | (run dash -c 'read line; echo $line'; cat)")

    @guest.needs_process('a machine is passed what its command reads')
    def test_the_position_in_a_file_is_shared(self):
        self.assert_same("seq 9 > file; (run head -c 4; cat) < file")

    @guest.needs_process('a machine only learns that its output is over')
    def test_errors_reach_the_program(self):
        self.assert_same('run sh -c "/bin/echo text; echo $? >&2" > /dev/full; echo $?')

    @guest.needs_process('a machine only learns that its output is over')
    def test_a_program_may_outlive_its_reader(self):
        self.assert_same('run sh -c \'trap "" PIPE; while /bin/echo line 2> /dev/null; do :; done; echo over >&2\' | head -n 1')


if __name__ == '__main__':
    guest.main()
