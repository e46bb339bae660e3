#!/usr/bin/env python3
"""gdb on this machine, on a guest whose kernel is a process: `narwhal run --gdb` says how, and kernel and program are seen."""

import os
import re
import shlex
import shutil
import subprocess
import unittest

from tests import guest


@unittest.skipUnless(shutil.which('gdb') and os.geteuid() == 0, 'gdb and root are needed')
class RunUnderDebugger(guest.TestCase):
    def attach(self, program, *commands):
        """What gdb says to the commands, and what the program prints then."""
        with subprocess.Popen([os.environ['NARWHAL'], 'run', '--platform', 'process', '--net', 'none', '--gdb', *program],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
            try:
                said = ''
                while 'waiting for gdb: ' not in said:
                    line = run.stderr.readline()
                    self.assertTrue(line, said)
                    said += line
                words = shlex.split(said.rpartition('waiting for gdb: ')[2])
                for command in commands:
                    words += ['-ex', command]
                gdb = subprocess.run([words[0], '--nx', '--quiet', '--batch', '-iex', 'set auto-load off', '-iex',
                                      'set debuginfod enabled off', *words[1:]], capture_output=True, text=True, check=False,
                                     stdin=subprocess.DEVNULL, timeout=100)
                output, errors = run.communicate(timeout=50)
                self.assertEqual(run.returncode, 0, gdb.stdout + gdb.stderr + errors)
                return gdb.stdout + gdb.stderr, output
            finally:
                run.kill()

    def test_kernel_and_program(self):
        program = os.path.abspath(os.environ['HELLO'])
        # The program's registers lie at the top of the kernel's stack.
        program_counter = '((narwhal::UserRegs*)((narwhal::CpuLocal*)$gs_base)->kernel_stack_top - 1)->rip'
        said, output = self.attach([program], 'break narwhal::sys::write', 'continue', 'backtrace',
                                   f'info symbol {program_counter}', 'delete', 'detach')
        self.assertRegex(said, r'Breakpoint 1, narwhal::sys::write \(', said)
        self.assertRegex(said, r'#\d+ .*narwhal::upcall::on_syscall', said)
        self.assertRegex(said, r'write \+ \d+ in section \.text', said)
        self.assertTrue(output, said)
        self.assertIsNone(re.search('SIGTRAP|SIGSEGV', said), said)


if __name__ == '__main__':
    unittest.main()
