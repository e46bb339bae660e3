"""A shell in the guest that a test gives its commands to, one by one: how signals are sent to the servers inside."""

import itertools

BUSYBOX = '/bin/busybox'


class Shell:
    """Drives a guest whose first process is a shell that reads its standard input (start_guest(..., stdin=None))."""

    COMMAND = (BUSYBOX, 'sh')

    def __init__(self, guest):
        self.guest = guest
        self._numbers = itertools.count()
        self._seen = 0  # characters of its standard output that belong to earlier commands

    def run(self, command):
        """Runs a command to its end, and returns its exit status and what was printed meanwhile, errors too."""
        number = next(self._numbers)
        self.guest.write(f'{{ {command}\n}} 2>&1; echo "<{number} $?>"\n'.encode())
        match = self.guest.wait_for_output(rf'<{number} (\d+)>\r?\n')
        output = self.guest.stdout[self._seen:match.start()]
        self._seen = match.end()
        return int(match.group(1)), output

    def check(self, command):
        """Runs a command that has to succeed, and returns what was printed."""
        status, output = self.run(command)
        if status != 0:
            raise AssertionError(f'{command!r} ended with status {status}: {output}')
        return output

    def wait_until(self, condition):
        """Until a command of the shell is true; the guest's own time limit ends the waiting."""
        self.check(f'until {condition}; do usleep 20000; done')

    def processes(self):
        """The processes there are: a line of /proc/PID/cmdline by pid, without zombies' empty ones."""
        # One builtin loop: a process of ours would be among them.
        output = self.check('for i in /proc/[0-9]*; do line=; read -r line <"$i/cmdline"; '
                            'echo "${i#/proc/} $line"; done 2>/dev/null; true')
        rows = (line.split(' ', 1) for line in output.splitlines())
        return {int(row[0]): row[1] for row in rows if len(row) == 2 and row[1]}
