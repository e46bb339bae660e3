#!/usr/bin/env python3
"""What a running guest of the process home has given up (docs/threat-model.md), and what not, seen from outside."""

import os
import select
import signal
import subprocess
import time
import unittest

from tests import guest

NO_NETWORK = ['--net', 'none']
NAMESPACES = ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup')


def has_namespaces():
    """Whether this machine lets us have them."""
    return subprocess.run(['unshare', '-Urmpf', 'true'], stderr=subprocess.DEVNULL, check=False).returncode == 0


def without_namespaces(command):
    """The same command where no user namespace may be made."""
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    return ['unshare', '-Ur', 'sh', '-c', script, 'sh', *command]


def family(process):
    """It and all that come from it: one kernel's host processes."""
    with open(f'/proc/{process}/task/{process}/children', encoding='ascii') as file:
        children = file.read().split()
    return [process] + [member for child in children for member in family(int(child))]


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)


class Confinement(guest.TestCase):
    def start(self, options=NO_NETWORK):
        """A guest that waits for input, and its process."""
        run = self.start_guest('/bin/cat', options=options, stdin=None)
        run.write(b'ready\n')
        run.wait_for_output('^ready$')
        return run, run.machine_pid()

    def test_it_has_no_rights_and_one_filter(self):
        _, process = self.start()
        status = status_of(process)
        for name in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status['NoNewPrivs'], '1')
        self.assertEqual(status['Seccomp'], '2')

    def test_it_holds_the_memory_file_our_streams_and_sockets(self):
        for options, sockets in ((NO_NETWORK, 2), ([], 3)):
            _, process = self.start(options)
            folder = f'/proc/{process}/fd'
            kinds = sorted(os.readlink(f'{folder}/{fd}').split(':')[0] for fd in os.listdir(folder))
            self.assertEqual(kinds, ['/memfd'] + 3 * ['pipe'] + sockets * ['socket'], options)

    def test_its_limits_leave_no_room(self):
        _, process = self.start()
        with open(f'/proc/{process}/limits', encoding='ascii') as file:
            limits = {line[:26].strip(): line[26:].split()[:2] for line in file}
        for name in ('Max core file size', 'Max locked memory', 'Max msgqueue size'):
            self.assertEqual(limits[name], ['0', '0'], name)
        highest = max(int(fd) for fd in os.listdir(f'/proc/{process}/fd'))
        self.assertEqual(limits['Max open files'], 2 * [str(highest + 1)])
        self.assertNotIn('unlimited', limits['Max address space'])

    def test_it_has_namespaces_of_its_own_and_an_empty_root(self):
        if not has_namespaces():
            self.skipTest('this machine has no namespaces for us')
        _, process = self.start()
        for name in NAMESPACES:
            self.assertNotEqual(os.readlink(f'/proc/{process}/ns/{name}'), os.readlink(f'/proc/self/ns/{name}'), name)
        with open(f'/proc/{process}/mountinfo', encoding='ascii') as file:
            mounts = file.read().splitlines()
        self.assertEqual(len(mounts), 1, mounts)
        self.assertRegex(mounts[0], ' / / ro,nosuid,nodev,noexec')
        self.assertEqual(os.listdir(f'/proc/{process}/root'), [])

    def test_verbose_tells_what_came_of_it(self):
        run = self.run_guest('/bin/true', options=[*NO_NETWORK, '--verbose'])
        self.assertRegex(run.stderr, '(?m)^narwhal: confinement: .*namespaces')

    def test_where_namespaces_are_forbidden_it_runs_without(self):
        if not has_namespaces():
            self.skipTest('the other tests run without them')
        run = self.run_guest('/bin/echo', 'hello', options=[*NO_NETWORK, '--verbose'], wrapper=without_namespaces)
        self.assertEqual((run.stdout, run.status), ('hello\n', 0))
        self.assertRegex(run.stderr, r'(?m)^narwhal: confinement: no namespaces \(No space left on device\)$')


class Signals(guest.TestCase):
    """Sent to the kernel's process by somebody who means the guest, or everybody."""

    def check(self, wrapper, *numbers):
        run = self.start_guest('/bin/cat', options=NO_NETWORK, stdin=None, wrapper=wrapper)
        run.write(b'ready\n')
        run.wait_for_output('^ready$')
        for process in family(run.machine_pid()):
            for number in numbers:
                for _ in range(20):
                    os.kill(process, number)
        run.write(b'still here\n')
        run.wait_for_output('^still here$')
        run.close_stdin()
        run.wait()
        self.assert_output(run, 'ready\nstill here\n')

    def test_all_but_the_last_word_are_ignored(self):
        # What reaches the program comes through the command; a service manager signals everybody at once.
        numbers = [number for number in range(1, 65) if number not in (signal.SIGKILL, signal.SIGSTOP)]
        for wrapper in (None, without_namespaces) if has_namespaces() else (None,):
            self.check(wrapper, *numbers)

    def test_a_computing_guest_does_not_mind_either(self):
        numbers = (signal.SIGALRM, signal.SIGSEGV, signal.SIGIO, signal.SIGSYS, signal.SIGTRAP)
        run = self.start_guest('/bin/sh', '-c', 'echo ready; i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; echo $i',
                               options=NO_NETWORK)
        run.wait_for_output('^ready$')
        process = run.machine_pid()
        sent = 0
        # A flood that is faster than the handler can end it by filling the signal stack; so can SIGKILL.
        while not run.has_ended() and sent < 2000:
            time.sleep(0.0001)
            try:
                os.kill(process, numbers[sent % len(numbers)])
            except ProcessLookupError:
                break
            sent += 1
        run.wait()
        self.assert_output(run, 'ready\n30000\n')

    def test_it_can_be_stopped_and_goes_on(self):
        self.check(None, signal.SIGSTOP, signal.SIGCONT)

    def test_killed_it_is_missed(self):
        run = self.start_guest('/bin/sh', '-c', 'echo ready; while :; do :; done', options=NO_NETWORK)
        run.wait_for_output('^ready$')
        os.kill(run.machine_pid(), signal.SIGKILL)
        self.assertEqual(run.wait(), 125)
        self.assertRegex(run.stderr, r"its kernel's process was killed by signal 9 \(Killed\), by somebody or because this "
                                     'machine has no memory left')


class End(guest.TestCase):
    def test_no_process_outlives_a_killed_command(self):
        for wrapper in (None, without_namespaces) if has_namespaces() else (None,):
            run = self.start_guest('/bin/sh', '-c', 'echo ready; while :; do :; done', options=NO_NETWORK,
                                   wrapper=wrapper)
            run.wait_for_output('^ready$')
            handles = [os.pidfd_open(process) for process in family(run.machine_pid())]
            self.assertGreater(len(handles), 1)
            run.send_signal(signal.SIGKILL)
            self.assertEqual(run.wait(), -9)
            for handle in handles:
                self.assertTrue(select.select([handle], [], [], 20)[0], 'a host process runs on')
                os.close(handle)


class Processors(guest.TestCase):
    @unittest.skipIf(len(os.sched_getaffinity(0)) == 1, 'there is one processor')
    def test_who_computes_may_use_every_processor(self):
        """Threads that take turns as the CPU are bound to one processor, but not for longer."""
        run = self.start_guest('/bin/sh', '-c', 'i=0; while [ $i -lt 300 ]; do (:); i=$((i+1)); done; '
                                                'echo computing; while :; do :; done',
                               options=NO_NETWORK)
        run.wait_for_output('^computing$')
        expected = status_of('self')['Cpus_allowed_list']
        deadline = time.monotonic() + 20
        while (seen := self.processors_of_running(run.machine_pid())) != {expected}:
            self.assertLess(time.monotonic(), deadline, f'{seen}, not {expected}')
            time.sleep(0.05)

    @staticmethod
    def processors_of_running(process):
        statuses = [status_of(f'{member}/task/{thread}') for member in family(process)
                    for thread in os.listdir(f'/proc/{member}/task')]
        return {status['Cpus_allowed_list'] for status in statuses if status['State'].startswith('R')}


if __name__ == '__main__':
    guest.main()
