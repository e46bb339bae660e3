"""Starts `narwhal run` for the end-to-end tests, and looks at what comes out.

A test is a Python program that `guest_test` (tests/guest_test.bzl) runs:

    from tests import guest

    class Echo(guest.TestCase):
        def test_prints_its_arguments(self):
            self.assert_output(self.run_guest('/bin/echo', 'hello'), 'hello\\n')

    if __name__ == '__main__':
        guest.main()

$NARWHAL and $NARWHAL_KERNEL (for the process home $NARWHAL_PROCESS_KERNEL) name the command and the image,
$NARWHAL_PLATFORM the platform ("vm" where it is not set), and where they are set, $NARWHAL_CPUS the number of processors and
$NARWHAL_ACCEL the machine's accelerator. An option that a test gives itself wins over them.
What one platform lacks is excused by name: needs_machine(), needs_process(). Each guest has a time limit. When a test fails,
everything that its guests printed is shown, the kernel's messages too;
$NARWHAL_TEST_LOG=debug (`bazel test --test_env=NARWHAL_TEST_LOG=debug`) asks the kernel for more of them.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
import xml.etree.ElementTree as ElementTree

HOST = '10.0.2.2'  # this machine, seen from a guest on QEMU's user network
LOOPBACK = '127.0.0.1'
TIME_LIMIT = 120  # seconds; a guest under software emulation on a busy machine needs some of them
MEMORY = '256M'
LOG_OPTION = '--kernel-log='
PLATFORM = os.environ.get('NARWHAL_PLATFORM') or 'vm'
PROCESSORS = int(os.environ.get('NARWHAL_CPUS') or 1)


def platform_options(options=()):
    """What tells `narwhal run` where to run, for a command that has these options already."""
    words = [] if '--platform' in options else ['--platform', PLATFORM]
    if PROCESSORS != 1 and '--cpus' not in options:
        words += ['--cpus', str(PROCESSORS)]
    accelerator = os.environ.get('NARWHAL_ACCEL')
    if accelerator and PLATFORM == 'vm' and '--accel' not in options:
        words += ['--accel', accelerator]
    return words


def kvm_is_there():
    """As far as can be seen: /dev/kvm opens, and the processor says that it virtualises."""
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        flags = re.search(r'^flags.*', file.read(), re.MULTILINE)
    return os.access('/dev/kvm', os.R_OK | os.W_OK) and bool(flags and re.search(r'\b(vmx|svm)\b', flags[0]))


def needs_machine(reason):
    """Marks a test of what only a virtual machine has."""
    return unittest.skipIf(PLATFORM == 'process', 'in a virtual machine only: ' + reason)


def needs_process(reason):
    """Marks a test of what only the process home has."""
    return unittest.skipIf(PLATFORM == 'vm', 'in the process home only: ' + reason)


class GuestError(AssertionError):
    """A guest did not do what was waited for."""


def free_port(kind=socket.SOCK_STREAM):
    """A port of the loopback interface that nobody uses: the kernel's choice.

    It is free again when this returns, so somebody else may take it before it is used; the range is large, and the
    kernel does not hand out the same one twice in a row.
    """
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


class _Collector(threading.Thread):
    """Reads a pipe to its end, so that its writer never waits for us."""

    def __init__(self, stream, changed):
        super().__init__(daemon=True)
        self.data = b''
        self.finished = False
        self._stream = stream
        self._changed = changed
        self.start()

    def run(self):
        while True:
            data = os.read(self._stream.fileno(), 65536)
            with self._changed:
                self.data += data
                self.finished = not data
                self._changed.notify_all()
            if not data:
                break
        self._stream.close()


class Guest:
    """One `narwhal run`, from its start to its end."""

    def __init__(self, *command, options=(), memory=MEMORY, stdin=b'', environment=None, limit=TIME_LIMIT,
                 wrapper=None):
        """Runs `command` (the program and its arguments) in a guest of its own.

        options: more of `narwhal run`'s options; memory: -m, None leaves the choice to narwhal; stdin: what the
        program can read, or None for a pipe that the test fills by write() and closes by close_stdin();
        environment: additions to narwhal's own; limit: seconds until it must have ended; wrapper: makes another
        command of narwhal's, which must become it by exec.
        """
        log = os.environ.get('NARWHAL_TEST_LOG')
        self.arguments = [os.path.abspath(os.environ['NARWHAL']), 'run']
        self.arguments += ['-m', memory] if memory else []
        self.arguments += platform_options(options)
        self.arguments += [LOG_OPTION + log] if log else []
        self.arguments += [*options, '--', *command]
        self.arguments = wrapper(self.arguments) if wrapper else self.arguments
        self.limit = limit
        self.started_at = time.monotonic()
        self.status = None  # as narwhal returned it; a negative number: the signal that ended narwhal itself
        self._answering = set()  # ports on which a server was seen
        self._changed = threading.Condition()
        # A session of its own: the test runner's Ctrl-C is not the program's.
        self._process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.PIPE, env={**os.environ, **(environment or {})},
                                         start_new_session=True)
        self._stdout = _Collector(self._process.stdout, self._changed)
        self._stderr = _Collector(self._process.stderr, self._changed)
        if stdin is not None:
            # From a thread: the program may write before it has read everything.
            threading.Thread(target=self._fill_stdin, args=(stdin,), daemon=True).start()

    def _fill_stdin(self, data):
        try:
            self._process.stdin.write(data)
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it did not want all of it

    @property
    def pid(self):
        """Of the narwhal command."""
        return self._process.pid

    @property
    def raw_stdout(self):
        return self._stdout.data

    @property
    def stdout(self):
        return self._stdout.data.decode('utf-8', 'replace')

    @property
    def stderr(self):
        return self._stderr.data.decode('utf-8', 'replace')

    def console(self):
        """Everything there is to know about it, for people."""
        lines = ['$ ' + shlex.join(self.arguments)]
        lines += ['stdout| ' + line for line in self.stdout.splitlines()[-200:]]
        lines += ['stderr| ' + line for line in self.stderr.splitlines()[-200:]]
        lines.append('still running' if self.status is None else f'exit status {self.status}')
        return '\n'.join(lines)

    def write(self, data):
        """To the program's standard input (stdin=None)."""
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def close_stdin(self):
        self._process.stdin.close()

    def send_signal(self, number):
        """To narwhal, which forwards it."""
        self._process.send_signal(number)

    def machine_pid(self):
        """Of the machine: QEMU, or in the process home the kernel. What it needs of others was started before it."""
        with open(f'/proc/{self.pid}/task/{self.pid}/children', encoding='ascii') as file:
            return int(file.read().split()[-1])

    def _time_left(self):
        return self.started_at + self.limit - time.monotonic()

    def wait_for_output(self, pattern, stream='stdout'):
        """Waits until what it printed matches the regular expression, and returns the match."""
        collector = self._stdout if stream == 'stdout' else self._stderr
        expression = re.compile(pattern, re.MULTILINE)
        with self._changed:
            while True:
                match = expression.search(collector.data.decode('utf-8', 'replace'))
                if match:
                    return match
                if collector.finished:
                    raise GuestError(f'ended its {stream} without printing {pattern!r}')
                if not self._changed.wait(max(self._time_left(), 0)):
                    raise GuestError(f'did not print {pattern!r} on its {stream} within {self.limit} s')

    def connect(self, port, question=None, timeout=30):
        """A TCP connection to a published port, as soon as a server answers there.

        QEMU takes connections before the program listens, and resets them later, when the guest has refused them; how
        much later, depends on how busy the machine is. So until one connection has proved good, a `question` is asked
        on it, whose answer is thrown away; without a question it must stay open for a while.
        """
        while True:
            if self.has_ended():
                raise GuestError(f'ended before it answered on port {port}')
            if self._time_left() < 0:
                raise GuestError(f'did not answer on port {port} within {self.limit} s')
            try:
                connection = socket.create_connection((LOOPBACK, port), timeout=timeout)
            except OSError:
                time.sleep(0.05)
                continue
            if port in self._answering or self._is_good(connection, question):
                self._answering.add(port)
                connection.settimeout(timeout)
                return connection
            connection.close()
            time.sleep(0.05)

    @staticmethod
    def _is_good(connection, question):
        try:
            if question is not None:
                connection.sendall(question)
                return bool(connection.recv(65536))
            connection.settimeout(1)
            return bool(connection.recv(1, socket.MSG_PEEK))
        except TimeoutError:
            return question is None
        except OSError:
            return False

    def has_ended(self):
        return self._process.poll() is not None

    def wait(self):
        """Waits for its end and returns the exit status; past its time limit it is stopped, and that is an error."""
        try:
            self.status = self._process.wait(max(self._time_left(), 0))
        except subprocess.TimeoutExpired:
            self.stop()
            raise GuestError(f'did not end within {self.limit} s') from None
        self._stdout.join()
        self._stderr.join()
        return self.status

    def stop(self):
        """Ends it if it still runs. QEMU dies with narwhal."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.has_ended():
                break
            self._process.send_signal(number)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        self._process.wait()
        self._stdout.join(5)
        self._stderr.join(5)
        if not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass


class TestCase(unittest.TestCase):
    """unittest's, with guests that end with the test and are shown when it fails."""

    maxDiff = None

    def setUp(self):
        self._guests = []
        self.addCleanup(self._stop_guests)

    def start_guest(self, *command, **settings):
        """A guest that runs beside the test (see Guest)."""
        guest = Guest(*command, **settings)
        self._guests.append(guest)
        return guest

    def run_guest(self, *command, **settings):
        """A guest that has come to its end."""
        guest = self.start_guest(*command, **settings)
        guest.wait()
        return guest

    def _stop_guests(self):
        for guest in self._guests:
            guest.stop()

    def consoles(self):
        return '\n'.join(guest.console() for guest in self._guests)

    def assert_status(self, guest, status):
        self.assertEqual(guest.status, status)

    def assert_output(self, guest, expected, status=0):
        """It printed exactly this, nothing on its standard error, and ended with this status."""
        self.assertEqual(guest.stdout, expected)
        self.assert_no_messages(guest)
        self.assertEqual(guest.status, status)

    def assert_no_messages(self, guest):
        if not any(argument.startswith(LOG_OPTION) for argument in guest.arguments):
            self.assertEqual(guest.stderr, '')

    def assert_refused(self, guest, status, pattern):
        """It ended with this status, nothing printed but one line of narwhal's that says this."""
        self.assertEqual(guest.stdout, '')
        self.assertRegex(guest.stderr, r'\Anarwhal: [^\n]*\n\Z', 'one line')
        self.assertRegex(guest.stderr, pattern)
        self.assertEqual(guest.status, status)


class _Result(unittest.TextTestResult):
    """Shows the guests of a failed test, and keeps what XML wants to know."""

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.cases = []
        self._began = 0

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()

    def _keep(self, test, kind=None, text=''):
        self.cases.append((test, time.monotonic() - self._began, kind, text))

    def _show(self, test):
        if isinstance(test, TestCase) and test.consoles():
            self.stream.writeln(f'--- the guests of {test}\n{test.consoles()}\n---')

    def addSuccess(self, test):
        super().addSuccess(test)
        self._keep(test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._show(test)
        self._keep(test, 'failure', self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._show(test)
        self._keep(test, 'failure', self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._keep(test, 'skipped', reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._show(test)
            self._keep(subtest, 'failure', str(err[1]))

    def write_xml(self, path):
        failures = sum(kind == 'failure' for _, _, kind, _ in self.cases)
        counts = {'tests': str(len(self.cases)), 'failures': str(failures)}
        root = ElementTree.Element('testsuites', counts)
        suite = ElementTree.SubElement(root, 'testsuite', counts, name=os.path.basename(sys.argv[0]))
        for test, seconds, kind, text in self.cases:
            classname, _, name = test.id().rpartition('.')
            case = ElementTree.SubElement(suite, 'testcase', classname=classname, name=name, status='run',
                                          time=f'{seconds:.3f}')
            if kind:
                # XML has no place for most control characters.
                ElementTree.SubElement(case, kind, message=re.sub(r'[^\t\n -\ufffd]', '?', text))
        ElementTree.ElementTree(root).write(path, encoding='utf-8', xml_declaration=True)


def main():
    """Runs the tests of the calling program; the arguments are unittest's, such as the name of one test."""
    program = unittest.main(module='__main__', exit=False, verbosity=2,
                            testRunner=unittest.TextTestRunner(resultclass=_Result, verbosity=2))
    if os.environ.get('XML_OUTPUT_FILE'):
        program.result.write_xml(os.environ['XML_OUTPUT_FILE'])
    sys.exit(0 if program.result.wasSuccessful() and program.result.testsRun else 1)
