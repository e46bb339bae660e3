#!/usr/bin/env python3
"""A program in the process home tries to reach the host past its list of calls (docs/host-calls.md), by every trick.

tests/programs/escape.c has the tricks. What a trick may come to: the host ends the guest (SIGSYS), or the guest's own
kernel answers, as it answers any program. The last tests show that this one can fail, with a kernel that leaves all doors
open.
"""

import concurrent.futures
import os
import re
import signal
import struct
import tempfile

from tests import guest

ESCAPE = os.path.abspath(os.environ['ESCAPE'])
UNCONFINED = os.path.abspath(os.environ['UNCONFINED_KERNEL'])
KERNEL = os.path.abspath(os.environ['NARWHAL_PROCESS_KERNEL'])

CAUGHT = 128 + signal.SIGSYS
SAYS_SO = r'narwhal: .* asked the host for something that is forbidden'
LAST_NUMBER = 475  # some more than Linux has
X32 = 0x40000000
GETPID = 39

# Linux 6.14 and later lets the helper calls of its own uprobes (uretprobe, uprobe) through every filter. Outside of the
# code that it makes for them they refuse: SIGILL, which is a panic of the guest's kernel here, or ENXIO.
UPROBES = {335, 336}

# Calls that would do something: open, connect, make processes, signal, change what is mapped or allowed, ...
GREEDY = {'open': 2, 'close': 3, 'mprotect': 10, 'rt_sigaction': 13, 'ioctl': 16, 'socket': 41, 'connect': 42, 'clone': 56,
          'fork': 57, 'vfork': 58, 'execve': 59, 'exit': 60, 'kill': 62, 'ptrace': 101, 'prctl': 157, 'openat': 257,
          'unshare': 272, 'prlimit64': 302, 'process_vm_writev': 311, 'memfd_create': 319, 'execveat': 322,
          'io_uring_setup': 425, 'clone3': 435}


def text_size(kernel):
    """Of the kernel's code: its first segment (ELF-64, System V ABI)."""
    with open(kernel, 'rb') as file:
        segments = struct.unpack_from('<Q', file.read(64), 32)[0]
        file.seek(segments)
        return struct.unpack('<IIQQQQQQ', file.read(56))[5]


def allowed_numbers():
    """What docs/host-calls.md lists, which another test keeps equal to the filter."""
    with open('docs/host-calls.md', encoding='utf-8') as document:
        return {int(number) for number in re.findall(r'^\| (\d+) \|', document.read(), re.MULTILINE)}


ALONE = ('--net', 'none')


class Tries(guest.TestCase):
    kernel = KERNEL
    memory_fd = None

    def setUp(self):
        super().setUp()
        if Tries.memory_fd is None:
            Tries.memory_fd = self.find_memory_fd()

    def find_memory_fd(self):
        """The number that the memory file has in the host's process: the same in each run."""
        run = self.start_guest('/bin/cat', options=ALONE, stdin=None)
        run.write(b'ready\n')
        run.wait_for_output('ready')
        folder = f'/proc/{run.machine_pid()}/fd'
        numbers = [int(fd) for fd in os.listdir(folder) if 'memfd:' in os.readlink(f'{folder}/{fd}')]
        run.close_stdin()
        run.wait()
        self.assertEqual(len(numbers), 1)
        return numbers[0]

    def try_escape(self, trick, number, *more):
        words = [ESCAPE, trick, str(number), str(text_size(self.kernel)), str(self.memory_fd), *more]
        for _ in range(5):
            run = self.run_guest(*words, options=ALONE, environment={'NARWHAL_PROCESS_KERNEL': self.kernel})
            # The place in the kernel is where it goes to sleep: a timer's signal that comes there first ends that with
            # EINTR, and no call is made.
            if run.stdout != 'trying\ncame back: -4\n':
                break
        return run

    def assert_caught(self, run):
        self.assertEqual((run.stdout, run.status), ('trying\n', CAUGHT), run.arguments)
        self.assertRegex(run.stderr, SAYS_SO)

    def assert_all_caught(self, attempts):
        """In two guests at a time."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for run in pool.map(lambda attempt: self.try_escape(*attempt), attempts):
                self.assert_caught(run)


class Escape(Tries):
    def test_no_number_but_those_of_the_list_gets_through(self):
        numbers = [number for number in range(LAST_NUMBER) if number not in allowed_numbers() | UPROBES]
        self.assert_all_caught([('text', number) for number in numbers])

    def test_the_hosts_uprobes_give_nothing(self):
        for number in UPROBES:
            run = self.try_escape('text', number)
            if run.stdout != 'trying\ncame back: -6\n' and 'the kernel panicked' not in run.stderr:
                self.assert_caught(run)

    def test_x32_numbers_do_not_get_through(self):
        self.assert_all_caught([('text', X32 | number) for number in (0, 1, 9, 57, 520)])

    def test_what_is_listed_gets_through_with_the_right_arguments_only(self):
        run = self.try_escape('text', 11)  # munmap(page, page, ...): the length is too large, and the host says so
        self.assertEqual(run.stdout, 'trying\ncame back: -22\n')
        # With wild arguments: another file mapped, other descriptors read and written, another timer.
        self.assert_all_caught([('text', number) for number in (0, 1, 9, 223, 271)])

    def test_no_file_of_the_hosts_is_made(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f'{folder}/escaped'
            for trick in ('text', 'sigreturn', 'overmap'):
                for number in (GREEDY['open'], GREEDY['openat']):
                    self.assert_caught(self.try_escape(trick, number, path))
            self.assertEqual(os.listdir(folder), [])

    def test_other_tricks_do_not_help(self):
        self.assert_all_caught([(trick, number) for trick in ('handler', 'overmap', 'sigreturn')
                                for number in GREEDY.values()])

    def test_children_are_held_as_their_parents(self):
        self.assert_all_caught([('child-' + trick, GREEDY[name]) for trick in ('text', 'sigreturn')
                                for name in ('fork', 'openat', 'kill')])

    def test_every_place_in_the_kernel_that_calls_the_host_is_filtered(self):
        for place in range(1000):
            run = self.try_escape('site', place)
            if run.status == 3:
                break
            self.assert_caught(run)
        self.assertGreater(place, 5)

    def test_32_bit_calls_do_not_get_through(self):
        # getpid(2) has number 20 there, fork(2) 2. Where the processor has no such instruction, there is a signal.
        for trick in ('overmap-int80', 'sigreturn-int80', 'sigreturn-syscall32', 'sigreturn-sysenter', 'far-int80',
                      'far-syscall32', 'int80'):
            for number in (2, 20):
                with self.subTest(trick=trick, number=number):
                    run = self.try_escape(trick, number)
                    self.assertIn(run.status, (CAUGHT, 128 + signal.SIGSEGV, 128 + signal.SIGILL))
                    self.assertNotRegex(run.stdout, 'came back: [0-9]')

    def test_the_vsyscall_page_answers_for_the_guest(self):
        run = self.try_escape('vsyscall', 1)  # time(2)
        self.assertRegex(run.stdout, r'\Atrying\ncame back: \d{9,}\n\Z')

    def test_own_calls_are_the_guests(self):
        with tempfile.TemporaryDirectory() as folder:
            run = self.try_escape('own', GREEDY['open'], f'{folder}/escaped')
            self.assertRegex(run.stdout, 'came back: -1')  # no such folder in the guest
            self.assertEqual(os.listdir(folder), [])

    def test_a_kernel_in_ruins_ends_its_guest_only(self):
        for byte in (0, 0xff, 0x5a):
            self.assertNotEqual(self.try_escape('destroy', byte).status, 0)


class WithTheDoorsOpen(Tries):
    """What the tests above would see."""
    kernel = UNCONFINED

    def test_the_tricks_work(self):
        for trick in ('text', 'handler', 'sigreturn'):
            with self.subTest(trick=trick):
                run = self.try_escape(trick, GETPID)
                self.assertRegex(run.stdout, r'\Atrying\ncame back: \d+\n')
                with self.assertRaises(AssertionError):
                    self.assert_caught(run)


if __name__ == '__main__':
    guest.main()
