#!/usr/bin/env python3
"""What a running guest of the process home has given up, seen from outside (docs/threat-model.md)."""

import os
import select
import subprocess

from tests import guest

NAMESPACES = ('user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup')


def has_namespaces():
    """Whether this machine lets us have them."""
    return subprocess.run(['unshare', '-Urmpf', 'true'], stderr=subprocess.DEVNULL, check=False).returncode == 0


def without_namespaces(command):
    """The same command where no user namespace may be made."""
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    return ['unshare', '-Ur', 'sh', '-c', script, 'sh', *command]


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)


class Confinement(guest.TestCase):
    def start(self, *options):
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

    def test_it_holds_the_memory_file_and_sockets(self):
        for options, sockets in ([('--net', 'none'), 5], [(), 6]):
            _, process = self.start(*options)
            folder = f'/proc/{process}/fd'
            kinds = sorted(os.readlink(f'{folder}/{fd}').split(':')[0] for fd in os.listdir(folder))
            self.assertEqual(kinds, ['/memfd'] + sockets * ['socket'], options)

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
        run = self.run_guest('/bin/true', options=['--verbose'])
        self.assertRegex(run.stderr, '(?m)^narwhal: confinement: .*namespaces')

    def test_where_namespaces_are_forbidden_it_runs_without(self):
        if not has_namespaces():
            self.skipTest('the other tests run without them')
        run = self.run_guest('/bin/echo', 'hello', options=['--verbose'], wrapper=without_namespaces)
        self.assertEqual((run.stdout, run.status), ('hello\n', 0))
        self.assertRegex(run.stderr, r'(?m)^narwhal: confinement: no namespaces \(No space left on device\)$')


class End(guest.TestCase):
    def test_no_process_outlives_a_killed_command(self):
        for wrapper in (None, without_namespaces) if has_namespaces() else (None,):
            run = self.start_guest('/bin/sh', '-c', 'echo ready; while :; do :; done', wrapper=wrapper)
            run.wait_for_output('^ready$')
            handle = os.pidfd_open(run.machine_pid())
            run.send_signal(9)
            self.assertEqual(run.wait(), -9)
            self.assertTrue(select.select([handle], [], [], 20)[0], 'the kernel runs on')
            os.close(handle)


if __name__ == '__main__':
    guest.main()
