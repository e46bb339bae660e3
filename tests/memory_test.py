#!/usr/bin/env python3
"""The end of the memory, and of numbers for processes: errors and orderly kills as on Linux, never a hang."""

import hashlib
import os
import re
import time

from tests import guest

EATER = os.path.abspath(os.environ['EATER'])
BUSYBOX = '/bin/busybox'


class OutOfMemory(guest.TestCase):
    def assert_says_who(self, run, pid, least_kib):
        line = re.search(r'out of memory: killed process (\d+) \(eater\), total-vm:\d+kB, anon-rss:(\d+)kB', run.stderr)
        self.assertIsNotNone(line, run.stderr)
        self.assertEqual(int(line[1]), pid)
        self.assertGreater(int(line[2]), least_kib)

    def test_the_first_process_is_killed(self):
        run = self.run_guest(EATER, 'alone', memory='48M', limit=30)
        self.assert_status(run, 128 + 9)
        self.assert_says_who(run, 1, 20000)

    def test_the_largest_process_is_killed_and_the_others_go_on(self):
        for how in ('child', 'reader'):
            with self.subTest(how):
                run = self.run_guest(EATER, how, memory='48M', limit=30)
                self.assertEqual(run.stdout, 'killed by 9\n')
                self.assert_status(run, 0)
                self.assert_says_who(run, 2, 20000)

    def test_a_protected_process_outlives_another(self):
        run = self.run_guest(EATER, 'other', memory='48M', limit=30)
        self.assertEqual(run.stdout, 'killed by 9\n')
        self.assert_status(run, 0)
        self.assert_says_who(run, 2, 8000)

    def test_sysrq_kills_the_largest_process(self):
        run = self.run_guest(BUSYBOX, 'sh', '-c', 'echo f >/proc/sysrq-trigger; echo not reached')
        self.assertEqual(run.stdout, '')
        self.assertRegex(run.stderr, r'killed process 1 \(busybox\)')
        self.assert_status(run, 128 + 9)


class Promises(guest.TestCase):
    def test_what_is_more_than_all_memory_is_refused(self):
        refused = 'Cannot allocate memory'
        run = self.run_guest(EATER, 'promise', memory='48M', limit=30)
        self.assert_output(run, f'writable: {refused}\nunreserved: given\nread-only: given\nmade writable: {refused}\n'
                                f'shared: {refused}\ngrown: {refused}\nbreak: {refused}\nsmall ones: 64\n')

    def test_overcommitting_always_is_a_setting(self):
        script = 'echo 1 >/proc/sys/vm/overcommit_memory && cat /proc/sys/vm/overcommit_memory && exec eater promise'
        run = self.run_guest(BUSYBOX, 'sh', '-c', script, memory='48M',
                             options=('-v', f'{EATER}:/usr/bin/eater:ro'))
        self.assertIn('1\nwritable: given\n', run.stdout)
        self.assertIn('\nshared: given\n', run.stdout)
        self.assert_status(run, 0)


class Limits(guest.TestCase):
    def test_a_fork_bomb_runs_out_of_processes(self):
        run = self.run_guest(EATER, 'bomb', memory='48M', limit=30)
        self.assert_output(run, 'Resource temporarily unavailable after many\nall came back\n')

    def test_a_full_file_system_says_so(self):
        script = '''
            dd if=/dev/zero of=/big bs=65536 2>&1 | grep -o 'No space left on device'
            rm /big && echo again >/again && cat /again'''
        run = self.run_guest(BUSYBOX, 'sh', '-c', script, memory='48M', limit=30)
        self.assert_output(run, 'No space left on device\nagain\n')


def resident_code(pid):
    """KiB of a program's code that its host process has mapped: the kernel's is no memory file."""
    with open(f'/proc/{pid}/smaps', encoding='ascii') as file:
        return sum(map(int, re.findall(r'^\S+ r-xs .*memfd:(?:.*\n(?!\w+-))*?Rss: +(\d+)', file.read(), re.MULTILINE)))


class Resident(guest.TestCase):
    def test_what_only_the_start_needed_is_not(self):
        guest.needs_process('only there the host maps what the program reads')
        run = self.start_guest(BUSYBOX, 'sh', '-c', 'x=$(seq 1 20000); echo ready; read word; echo "$word $x" | md5sum',
                               stdin=None)
        run.wait_for_output('^ready$')
        pid = run.machine_pid()
        deadline = time.monotonic() + guest.TIME_LIMIT
        while resident_code(pid) > 64:
            self.assertLess(time.monotonic(), deadline, 'the code stays mapped')
            time.sleep(0.05)
        run.write(b'go\n')
        run.wait()
        text = 'go ' + '\n'.join(str(number) for number in range(1, 20001)) + '\n'
        self.assert_output(run, f'ready\n{hashlib.md5(text.encode()).hexdigest()}  -\n')


class Panic(guest.TestCase):
    def test_tells_where_and_after_what(self):
        run = self.run_guest(BUSYBOX, 'sh', '-c', 'cat /etc/hostname; echo c >/proc/sysrq-trigger')
        self.assert_status(run, 125)
        self.assertRegex(run.stderr, r'\Anarwhal: the kernel panicked: sysrq triggered crash\n')
        # Registers, then names of functions down to the entry, then the calls, newest first.
        self.assertRegex(run.stderr, r'  rip [0-9a-f]{16}  rsp [0-9a-f]{16}  rflags [0-9a-f]{16}  rax ')
        self.assertRegex(run.stderr, r'(?s)backtrace:.* sys::write\+0x.* narwhal_\w*syscall\w*\+0x')
        self.assertRegex(run.stderr, r'in system call write\(0x1, 0x[0-9a-f]+, 0x2, .*\) of busybox\[1\]')
        self.assertRegex(run.stderr, r'(?s)last system calls.*\n.*\[1\] [a-z_0-9]+ = -?\d+\n')


if __name__ == '__main__':
    guest.main()
