#!/usr/bin/env python3
"""What `narwhal run` promises of itself: statuses, signals, memory, machines, and refusals that say what to do."""

import os
import signal
import socket
import struct
import subprocess
import tempfile

from tests import guest

BUSYBOX = '/bin/busybox'
BASH = '/bin/bash'
PYTHON = '/usr/bin/python3'


class Status(guest.TestCase):
    def test_the_programs_exit_status_passes_through(self):
        for status in (0, 1, 42, 255):
            with self.subTest(status=status):
                self.assert_output(self.run_guest(BUSYBOX, 'sh', '-c', f'exit {status}'), '', status)

    def test_a_program_that_a_signal_ends_counts_as_in_a_shell(self):
        run = self.run_guest(BUSYBOX, 'sh', '-c', 'kill -SEGV $$')
        self.assert_status(run, 128 + signal.SIGSEGV)


class Signals(guest.TestCase):
    SCRIPT = ('trap "echo got %s; exit 7" %s; echo ready; '
              # In slices: the shell runs its trap when the command that it waits for has ended.
              'i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i + 1)); done')

    def check_handled(self, number, name):
        run = self.start_guest(BUSYBOX, 'sh', '-c', self.SCRIPT % (name, name))
        run.wait_for_output('^ready$')
        run.send_signal(number)
        run.wait()
        self.assert_output(run, f'ready\ngot {name}\n', 7)

    def test_sigterm_reaches_the_program(self):
        self.check_handled(signal.SIGTERM, 'TERM')

    def test_sigint_reaches_the_program(self):
        self.check_handled(signal.SIGINT, 'INT')

    def test_sighup_reaches_the_program(self):
        self.check_handled(signal.SIGHUP, 'HUP')

    def test_a_signal_that_the_program_does_not_handle_ends_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number.name):
                run = self.start_guest(BUSYBOX, 'sh', '-c', 'echo ready; exec sleep 100')
                run.wait_for_output('^ready$')
                run.send_signal(number)
                self.assertEqual(run.wait(), 128 + number)

    def test_python_sees_ctrl_c_as_an_exception(self):
        run = self.start_guest(PYTHON, '-c', 'import time; print("ready", flush=True); time.sleep(100)')
        run.wait_for_output('^ready$')
        run.send_signal(signal.SIGINT)
        run.wait()
        self.assertIn('KeyboardInterrupt', run.stderr)
        self.assert_status(run, 128 + signal.SIGINT)


class Machine(guest.TestCase):
    TELL = 'while read -r name size unit; do [ $name != MemTotal: ] || echo $((size >> 10)); done </proc/meminfo'

    def memory_in(self, size, *options):
        run = self.run_guest(BUSYBOX, 'sh', '-c', self.TELL, memory=size, options=options)
        self.assert_no_messages(run)
        self.assert_status(run, 0)
        return int(run.stdout)

    def test_memory_is_what_was_asked_for(self):
        # Less what the kernel's image and the memory below 1 MiB take; in the process home, signal stacks of its processes.
        taken = 8 if guest.PLATFORM == 'vm' else 10
        for asked, megabytes in (('24M', 24), ('2048M', 2048), ('2G', 2048), ('4G', 4096)):
            with self.subTest(asked=asked):
                found = self.memory_in(asked)
                self.assertLessEqual(found, megabytes)
                self.assertGreaterEqual(found, megabytes - taken)

    def test_all_of_a_large_memory_can_be_used(self):
        script = ('import mmap\n'
                  'memory = mmap.mmap(-1, 1600 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n'
                  'for at in range(0, len(memory), 8 << 20): memory[at:at + 8] = at.to_bytes(8, "little")\n'
                  'print(all(int.from_bytes(memory[at:at + 8], "little") == at\n'
                  '          for at in range(0, len(memory), 8 << 20)))')
        self.assert_output(self.run_guest(PYTHON, '-c', script, memory='2048M'), 'True\n')

    @guest.needs_machine('there is no board to choose')
    def test_the_other_machine_has_files_and_a_network_too(self):
        with socket.create_server((guest.LOOPBACK, 0)) as server:
            run = self.start_guest(BUSYBOX, 'nc', guest.HOST, str(server.getsockname()[1]),
                                   stdin=b'over pci\n', options=['--machine', 'q35'])
            server.settimeout(guest.TIME_LIMIT)
            connection, _ = server.accept()
            with connection:
                self.assertEqual(connection.recv(100), b'over pci\n')
                connection.sendall(b'and back\n')
            run.wait()
            self.assert_output(run, 'and back\n')
        # With a hole for devices below 4 GiB, and memory on both sides of it.
        self.assertGreaterEqual(self.memory_in('5G', '--machine', 'q35'), 5 * 1024 - 8)

    def test_a_machine_has_as_many_processors_as_are_asked_for(self):
        for count in (1, 2, 4):
            with self.subTest(count=count):
                run = self.run_guest(BUSYBOX, 'sh', '-c', 'nproc', options=['--cpus', str(count)])
                self.assertEqual(run.stdout, f'{count}\n')
                self.assertEqual(run.status, 0)
                self.assertEqual(run.stderr, '')

    def test_a_file_alone_is_a_copy_for_each_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'file')
            with open(path, 'w', encoding='utf-8') as file:
                file.write('from outside\n')
            for _ in range(2):
                self.assert_output(self.run_guest(
                    BUSYBOX, 'sh', '-c', 'cat /data/file; echo changed >/data/file; cat /data/file',
                    options=['-v', f'{path}:/data/file:ro']), 'from outside\nchanged\n')


class Scripts(guest.TestCase):
    def script(self, text, mode=0o755):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = os.path.join(folder, 'script')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        os.chmod(path, mode)
        return path

    def test_a_script_brings_its_interpreter_and_what_it_is_given(self):
        path = self.script('#!/bin/bash -e\necho "$0" "$@"\n/usr/bin/seq 3\nfalse\necho not reached\n')
        run = self.run_guest(path, 'one', 'two words', options=['--include', '/usr/bin/seq'])
        self.assert_output(run, f'{path} one two words\n1\n2\n3\n', 1)

    def test_a_script_of_env(self):
        path = self.script('#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n')
        self.assert_output(self.run_guest(path, 'x'), "['x']\n")

    def test_an_interpreter_that_is_missing(self):
        path = self.script('#!/no/such/interpreter\n')
        self.assert_refused(self.run_guest(path), 126, r'interpreter /no/such/interpreter does not exist')

    def test_a_text_without_an_interpreter(self):
        self.assert_refused(self.run_guest(self.script('echo hello\n')), 126, 'neither an ELF program nor a script')

    def test_a_script_that_may_not_be_executed(self):
        self.assert_refused(self.run_guest(self.script('#!/bin/bash\n', 0o644)), 126, r'not executable; chmod \+x')


def patched(source, changes):
    """The bytes of a file, with some of them replaced by as many others."""
    with open(source, 'rb') as file:
        data = file.read()
    for old, new in changes:
        assert len(old) == len(new) and old in data
        data = data.replace(old, new)
    return bytearray(data)


class Refusals(guest.TestCase):
    """Each is one line that says what to do."""

    def binary(self, data):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        path = os.path.join(folder, 'program')
        with open(path, 'wb') as file:
            file.write(data)
        os.chmod(path, 0o755)
        return path

    def test_a_missing_program(self):
        self.assert_refused(self.run_guest('no-such-program'), 127, 'no-such-program: no such program in PATH')
        self.assert_refused(self.run_guest('/no/such/program'), 127, '/no/such/program: no such file')

    def test_a_missing_library(self):
        path = self.binary(patched(os.environ['THREADS'], [(b'libstdc++.so.6\0', b'libstdc++.so.9\0')]))
        self.assert_refused(self.run_guest(path), 126, r'needs the library libstdc\+\+\.so\.9.*install it')

    def test_a_32_bit_program(self):
        # An i386 program, as small as it can be: exit(0).
        code = bytes.fromhex('31c0 40 31db cd80')
        header = struct.pack('<16sHHIIIIIHHHHHH', b'\x7fELF\1\1\1', 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        segment = struct.pack('<8I', 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 0x1000)
        self.assert_refused(self.run_guest(self.binary(header + segment + code)), 126,
                            '32-bit x86.*64-bit x86-64 programs only')

    def test_a_program_for_another_processor(self):
        data = patched(os.environ['THREADS'], [])
        data[18:20] = struct.pack('<H', 183)
        self.assert_refused(self.run_guest(self.binary(data)), 126, 'AArch64.*64-bit x86-64 programs only')

    def test_a_damaged_program(self):
        data = patched(os.environ['THREADS'], [])
        for size in (4, 63, 64, 500):
            with self.subTest(size=size):
                self.assert_refused(self.run_guest(self.binary(data[:size])), 126, 'damaged|neither an ELF program')

    def test_a_folder(self):
        self.assert_refused(self.run_guest('/tmp'), 126, 'a folder, not a program')

    def test_a_port_that_is_in_use(self):
        with socket.create_server((guest.LOOPBACK, 0)) as server:
            port = server.getsockname()[1]
            self.assert_refused(self.run_guest(BUSYBOX, 'true', options=['-p', f'{port}:80']), 125,
                                f'port {port} .*in use; .*take another port')

    @guest.needs_machine('no QEMU is started')
    def test_a_qemu_that_is_missing(self):
        self.assert_refused(self.run_guest(BUSYBOX, 'true', options=['--qemu', 'no-such-qemu']), 125,
                            'no-such-qemu was not found; install it')

    def test_too_little_memory_to_start(self):
        for size in ('3M', '5M'):
            with self.subTest(size=size):
                self.assert_refused(self.run_guest(BUSYBOX, 'true', memory=size), 125,
                                    r'-m \dM is too little: .*use -m \d+M or more')
        self.assert_refused(self.run_guest(BUSYBOX, 'true', memory='12'), 125, '-m 12: .*write a size such as 64M')

    def test_too_little_memory_to_go_on(self):
        run = self.run_guest(PYTHON, '-c', 'print("begun", flush=True); kept = [bytearray(1 << 20) for _ in range(300)]', memory='128M')
        self.assertEqual(run.stdout, 'begun\n')
        self.assertRegex(run.stderr, r'\Anarwhal: [^\n]*out of memory: [^\n]*more with -m\n\Z')
        self.assert_status(run, 128 + signal.SIGKILL)

    def test_nothing_is_started_where_only_the_plan_is_wanted(self):
        run = self.run_guest(BUSYBOX, 'echo', 'hello', options=['--dry-run'])
        self.assertIn('-kernel' if guest.PLATFORM == 'vm' else '--memory-fd=', run.stdout)
        self.assertNotIn('\nhello', run.stdout)
        self.assert_status(run, 0)


@guest.needs_machine('the processor itself runs the program')
class Accelerators(guest.TestCase):
    """The other accelerator, wherever it can run our kernel: that is tried, because /dev/kvm alone says little."""

    PROBE_TIME = 20

    def accelerators(self):
        if not os.access('/dev/kvm', os.R_OK | os.W_OK):
            self.skipTest('/dev/kvm does not open')
        probe = self.start_guest(BUSYBOX, 'echo', 'works', options=['--accel', 'kvm'], limit=self.PROBE_TIME)
        try:
            works = probe.wait() == 0 and probe.stdout == 'works\n'
        except guest.GuestError:
            works = False
        if not works:
            self.skipTest('/dev/kvm opens, but a probe guest did not get far: no hardware virtualisation')

    def test_programs_run_under_kvm_too(self):
        self.accelerators()
        kvm = ['--accel', 'kvm']
        self.assert_output(self.run_guest(os.environ['THREADS'], options=kvm), subprocess.run(
            [os.environ['THREADS']], capture_output=True, text=True, check=False).stdout, 3)
        self.assert_output(self.run_guest(PYTHON, '-c', 'import threading, time\n'
                                          'before = time.monotonic(); time.sleep(0.2); passed = time.monotonic() - before\n'
                                          'print(0.2 <= passed < 2)', options=kvm), 'True\n')
        self.assert_output(self.run_guest('/usr/bin/sqlite3', '/tmp/x', 'create table t(a); insert into t values(7);'
                                          'select a * 6 from t; pragma integrity_check', options=kvm), '42\nok\n')
        for machine in ('microvm', 'q35'):
            self.assert_output(self.run_guest(BUSYBOX, 'echo', machine, options=[*kvm, '--machine', machine]),
                               machine + '\n')

    def test_auto_always_runs(self):
        self.assert_output(self.run_guest(BUSYBOX, 'echo', 'runs', options=['--accel', 'auto']), 'runs\n')


if __name__ == '__main__':
    guest.main()
