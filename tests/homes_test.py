#!/usr/bin/env python3
"""The same programs in both homes, a virtual machine and a Linux process: what they print, how they end, and each system
call that they make, with its arguments and its result, must be the same.

Addresses are no exception: the programs run without randomisation (setarch -R). What is not compared:

- the order of calls between processes and threads: each one's calls are compared in its own order, by its number;
- rt_sigreturn(2), which stands where its signal happened to come;
- where a program's text says so (`racing`), calls that depend on who was faster: waiting for children or for locks;
- in the files of /proc and in what is printed of them, what the machine's size, its clock and the number of pages that a
  fault brings in decide: `measured` has these lines' beginnings. /proc/cpuinfo and the auxiliary vector tell of the
  processor, which is another one under software emulation.
"""

import os
import re
import subprocess

from tests import guest

BUSYBOX, PYTHON, SETARCH, SQLITE = '/bin/busybox', '/usr/bin/python3', '/usr/bin/setarch', '/usr/bin/sqlite3'
CALL = re.compile(r'^\[(\d+)\] ([a-z0-9_]+)\((.*)$')

FILES = '''
cd /tmp; mkdir -p a/b; for i in 1 2 3; do echo "line $i" >a/b/$i; done; cat a/b/*; ls -lR a | cut -c1-32; ln -s b a/link
cp -a a copy; mv copy moved; tar cf x.tar moved; tar tvf x.tar >list; cut -c1-30 list; gzip x.tar; gunzip -c x.tar.gz >y.tar
sha256sum y.tar | wc -c; find moved -type f -exec md5sum {} +; dd if=/dev/zero of=big bs=1M count=20 2>/dev/null
md5sum big; truncate -s 5000 big; wc -c big; rm -r moved big; ls; cat nothing; mkdir a; rmdir a; df -k >/dev/null
head -c 100000 /dev/zero | wc -c; sort -r a/b/1 a/b/2 | sed s/line/LINE/; (exit 3); echo "ended with $?"; exit 7
'''

SIGNALS = '''
trap 'echo usr1' USR1; trap 'echo term' TERM; kill -USR1 $$; kill -TERM $$; trap - TERM
sh -c 'kill -KILL $$'; echo "ended with $?"
sh -c 'kill -SEGV $$'; echo "ended with $?"; sh -c 'ulimit -c 0; kill -ABRT $$'; echo "ended with $?"
(sleep 0.1; exit 9) & wait $!; echo "ended with $?"; kill -TERM $$; echo lost
'''

# /sys/kernel/narwhal tells of direct calls, which there are in the process home only.
FACTS = '''
uname -a; id; nproc; ulimit -a; env; ls -lR /dev | cut -c1-24; mount; ifconfig lo; route -n; cd /proc
for f in version filesystems cmdline cgroups devices misc partitions swaps interrupts self/maps self/smaps self/status \
    self/limits self/cgroup self/mountinfo meminfo net/dev net/route net/tcp sys/kernel/[!t]* sys/vm/* sys/net/core/*
do echo "== $f"; [ -d /proc/$f ] || cat /proc/$f; done
cd /proc; find 1 sys net self/fd; cd /sys; find block devices kernel/mm; df -k; free
'''

PYTHON_PROGRAM = '''
import hashlib, json, mmap, os, re, resource, select, signal, socket, sqlite3, sys
print(sys.version_info[:2], json.dumps({"a": [1, 2.5, None]}), hashlib.sha256(b"x").hexdigest())
with open('/tmp/file', 'w+b') as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 0) as memory:
        memory[::4096] = bytes(range(256)); memory.flush(); print(zip(memory[:8192:4096]))
pieces = [mmap.mmap(-1, size << 12) for size in (1, 3, 600, 5)]
for piece in pieces: piece[len(piece) - 1] = 7
pieces[1].resize(64 << 12); pieces[2].madvise(mmap.MADV_DONTNEED); print(pieces[2][-1], pieces[1][3 * 4096 - 1])
a, b = socket.socketpair(); a.sendall(b"through"); print(b.recv(100), select.select([b], [a], [], 0)[0])
server = socket.create_server(("127.0.0.1", 5000)); client = socket.create_connection(("127.0.0.1", 5000))
peer, _ = server.accept(); client.sendall(bytes(100000)); client.shutdown(socket.SHUT_WR)
count = 0
while data := peer.recv(65536, socket.MSG_WAITALL): count += len(data)
print(count, peer.getpeername()[0], client.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF))
signal.signal(signal.SIGUSR1, lambda number, frame: print("signal", number)); signal.raise_signal(signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM]); signal.setitimer(signal.ITIMER_REAL, 0.01)
print(signal.sigwait([signal.SIGALRM]))
base = sqlite3.connect("/tmp/base"); base.execute("create table t(a)")
base.executemany("insert into t values(?)", [(n,) for n in range(1000)]); base.commit()
print(base.execute("select sum(a) from t").fetchone())
read, write = os.pipe()
if (child := os.fork()) == 0:
    os.write(write, b"x" * 5000); os._exit(5)
print(os.waitpid(child, 0)[1] >> 8, len(os.read(read, 6000)), os.spawnv(os.P_WAIT, "/bin/busybox", ["busybox", "false"]))
poll = select.epoll(); poll.register(read, select.EPOLLIN); os.write(write, b"y"); print(poll.poll())
for name in ("NOFILE", "STACK", "AS"): print(resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
os.chdir("/nothing")
'''

# The beginnings of lines in which numbers say how large the machine is, when it started, and how it brought in pages.
MEASURED = re.compile(
    r'^((?:Vm(?:HWM|RSS|PTE)|Rss\w*|SigQ|\w*voluntary_ctxt_switches|Rss|Pss\w*|(?:Shared|Private)_\w+|Referenced|Anonymous|Mem\w+|'
    r'Active\S*|Inactive\S*|AnonPages|Mapped|Slab|SUnreclaim|CommitLimit|Committed_AS|Cached|Shmem|KernelStack|PageTables|'
    r'Max (?:processes|pending signals)|pending signals|max user processes|-/\+ buffers.*|Buffers|DirectMap\w+|'
    r'(?:dev)?tmpfs|Mem:|[\d ]+:\d+ / \S+ \S+ - (?:dev)?tmpfs)(?!\w)).*\d *', re.MULTILINE)


class Homes(guest.TestCase):
    def run_in(self, platform, program, options):
        run = self.run_guest(SETARCH, 'x86_64', '-R', *program, options=[
            '--platform', platform, '--strace', '--net', 'none', '--include', program[0], *options])
        calls, messages = {}, []
        for line in run.stderr.splitlines():
            match = CALL.match(line)
            if match:
                calls.setdefault(int(match[1]), []).append((match[2], match[3]))
            else:
                messages.append(line)
        # Before the program starts, setarch runs where randomisation has put it.
        first = calls[1]
        calls[1] = first[[name for name, _ in first].index('execve') + 1:]
        return run, calls, messages

    def compare(self, *program, options=(), racing=(), measured=None):
        unordered = {'rt_sigreturn', *racing}
        runs = {home: self.run_in(home, program, list(options)) for home in ('vm', 'process')}
        (vm, vm_calls, vm_messages), (process, process_calls, process_messages) = runs.values()
        outputs = [run.stdout if measured is None else measured.sub(r'\1 NUMBERS', run.stdout) for run in (vm, process)]
        self.assertEqual(*outputs)
        self.assertEqual(vm_messages, process_messages)
        self.assertEqual(vm.status, process.status)
        self.assertEqual(sorted(vm_calls), sorted(process_calls), 'numbers of processes and threads')
        for number in sorted(vm_calls):
            with self.subTest(thread=number):
                texts = ['\n'.join(f'{name}({rest}' for name, rest in calls[number] if name not in unordered)
                         for calls in (vm_calls, process_calls)]
                self.assertEqual(*texts)
        return vm

    def test_files(self):
        run = self.compare(BUSYBOX, 'sh', '-c', 'exec 2>&1' + FILES, racing=['wait4', 'read', 'write'])
        self.assertIn('ended with 3\n', run.stdout)
        self.assertEqual(run.status, 7)

    def test_signals(self):
        run = self.compare(BUSYBOX, 'sh', '-c', 'exec 2>&1' + SIGNALS, racing=['wait4'])
        self.assertIn('ended with 139\n', run.stdout)

    def test_what_programs_are_told_of_the_machine(self):
        run = self.compare(BUSYBOX, 'sh', '-c', 'exec 2>&1' + FACTS, racing=['wait4', 'read', 'write', 'sendfile'],
                           measured=MEASURED)
        self.assertGreater(run.stdout.count('\n'), 500)

    def test_faults(self):
        program = os.path.abspath(os.environ['FAULTS'])
        run = self.compare(program)
        here = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        self.assertEqual(run.stdout, here.stdout)
        self.assertEqual(run.stdout.count(' trap '), 24, run.stdout)

    def test_python(self):
        run = self.compare(PYTHON, '-c', PYTHON_PROGRAM, options=[
            '--package', 'python3', '-e', 'PYTHONHASHSEED=0', '-e', 'PYTHONDONTWRITEBYTECODE=1', '--include', BUSYBOX])
        self.assertIn('(499500,)\n', run.stdout)
        self.assertEqual(run.status, 1)

    def test_threads(self):
        run = self.compare(os.path.abspath(os.environ['THREADS']), racing=[
            # Who comes first to a lock, and who to a place on the heap.
            'futex', 'mmap', 'munmap', 'mprotect', 'madvise', 'brk', 'clone3', 'rseq', 'set_robust_list', 'rt_sigprocmask', 'exit'])
        self.assertIn('unwound 204 frames\n', run.stdout)

    def test_linkage(self):
        for name in ('HELLO_GLIBC', 'HELLO_MUSL', 'HELLO_MUSL_DYNAMIC'):
            with self.subTest(name):
                self.compare(os.path.abspath(os.environ[name]), 'one', 'two words')

    def test_a_database(self):
        self.compare(SQLITE, '/tmp/base', 'create table t(a primary key, b); with recursive n(x) as (select 1 union all select '
                     'x + 1 from n where x < 2000) insert into t select x, x * x from n; select sum(b) from t; delete from t '
                     'where a % 3 = 0; vacuum; pragma integrity_check; select count(*) from nothing')


class Auto(guest.TestCase):
    """--platform auto: hardware virtualisation, else a process, else software emulation."""

    def platform_of(self, run):
        self.assertEqual((run.stdout, run.status), ('hi\n', 0), run.stderr)
        return re.findall(r'^narwhal: platform: (.*)$', run.stderr, re.MULTILINE)

    def run_auto(self, *options, environment=None):
        return self.run_guest(BUSYBOX, 'echo', 'hi', environment=environment,
                              options=['--platform', 'auto', '--verbose', *options])

    def test_says_which_and_why(self):
        [platform] = self.platform_of(self.run_auto('--net', 'none'))
        self.assertRegex(platform, r'\Aprocess, because .*not a machine \(docs/threat-model\.md|\Avm \(microvm\), KVM: ')

    def test_a_machine_for_what_only_a_machine_has(self):
        [platform] = self.platform_of(self.run_auto('--machine', 'q35'))
        self.assertRegex(platform, r'\Avm \(q35\), .*(KVM|--machine chooses)')
        run = self.run_guest(BUSYBOX, 'echo', 'hi', options=['--platform', 'process', '--machine', 'q35'])
        self.assert_refused(run, 125, "--platform process: --machine chooses a machine's board")

    def test_software_emulation_where_a_process_does_not_run(self):
        if guest.kvm_is_there():
            self.skipTest('a machine with KVM comes first')
        run = self.run_auto('--net', 'none', environment={'NARWHAL_PROCESS_KERNEL': os.path.realpath('/bin/false')})
        self.assertEqual([platform.partition(',')[0] for platform in self.platform_of(run)], ['process', 'vm (microvm)'])
        self.assertIn('narwhal: a process does not run the guest on this machine; software emulation takes over', run.stderr)


if __name__ == '__main__':
    guest.main()
