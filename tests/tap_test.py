#!/usr/bin/env python3
"""A guest on a TAP device (--net tap:NAME), in a network namespace of the test's own: long frames, with sums and the
cutting of segments left to the other side, both ways.
"""

import contextlib
import ctypes
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import unittest

from tests import guest
from tests.python import transfer

LAST_WORDS = os.path.abspath(os.environ['LAST_WORDS'])
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'python')
SERVER, CLIENT, LINES = (os.path.join(FOLDER, name) for name in ('transfer.py', 'queues.py', 'lines.py'))
HERE, GUEST, PORT = '10.9.0.1', '10.9.0.2', 7000
QUEUES_HERE, QUEUES_GUEST = '10.9.1.1', '10.9.1.2'
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIZE = 20_000_000
ANSWERS = 100


def why_no_tap():
    """Moves this process into a network of its own with a TAP device; else, why that does not work here."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET if uid == 0 else CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return 'no namespaces: ' + os.strerror(ctypes.get_errno())
    if uid != 0:
        for name, text in (('setgroups', 'deny'), ('uid_map', f'0 {uid} 1'), ('gid_map', f'0 {gid} 1')):
            with open('/proc/self/' + name, 'w', encoding='ascii') as file:
                file.write(text)
    for command in ('tuntap add dev tap0 mode tap', f'address add {HERE}/24 dev tap0', 'link set tap0 up',
                    'tuntap add dev tap1 mode tap multi_queue', f'address add {QUEUES_HERE}/24 dev tap1',
                    'link set tap1 up', 'link set lo up'):
        run = subprocess.run(['ip', *command.split()], capture_output=True, text=True, check=False)
        if run.returncode != 0:
            return 'no TAP device: ' + run.stderr.strip()
    return ''


PROBLEM = why_no_tap()


@unittest.skipIf(PROBLEM, PROBLEM)
class Tap(guest.TestCase):
    def test_much_goes_both_ways(self):
        self.start_guest('/usr/bin/python3', '/transfer.py', str(PORT),
                         options=['--net', 'tap:tap0', '--ip', f'{GUEST}/24,{HERE}', '--include',
                                  f'{SERVER}:/transfer.py']).wait_for_output('ready')
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            data = transfer.content(9000)  # in fragments
            datagrams.settimeout(20)
            datagrams.sendto(data, (GUEST, PORT))
            self.assertEqual(datagrams.recv(65536), data)
        before = self.counted()
        with socket.create_connection((GUEST, PORT), timeout=20) as connection:
            stream = connection.makefile('rwb')
            for size in (1, 1460, 1461, 65536, SIZE):
                data = transfer.content(size)
                stream.write(b'take %d\n' % size + data)
                stream.flush()
                self.assertEqual(stream.readline().strip().decode(), hashlib.sha256(data).hexdigest(), size)
                stream.write(b'give %d\n' % size)
                stream.flush()
                self.assertTrue(stream.read(size) == data, size)
        if guest.PLATFORM == 'process':
            self.assert_long_frames(before, self.counted())

    @staticmethod
    def counted():
        shown = subprocess.run(['ip', '-json', '-stats', 'link', 'show', 'tap0'], stdout=subprocess.PIPE, check=True)
        return json.loads(shown.stdout)[0]['stats64']

    def assert_long_frames(self, before, after):
        """The device counted fewer packets than SIZE bytes make in Ethernet's frames."""
        for direction in ('rx', 'tx'):
            grown = {what: after[direction][what] - before[direction][what] for what in ('bytes', 'packets')}
            self.assertGreater(grown['bytes'], SIZE)
            self.assertLess(grown['packets'], SIZE // 1460 * 2 // 3, direction)

    @staticmethod
    def slow_listener():
        """What its connections receive at once is little. The port may still have a connection of an earlier test."""
        listener = socket.create_server((HERE, PORT))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        return listener

    def run_last_words(self, *words):
        return self.start_guest(LAST_WORDS, HERE, str(PORT), *words, limit=60,
                                options=['--net', 'tap:tap0', '--ip', f'{GUEST}/24,{HERE}'])

    def test_what_a_program_wrote_arrives_though_it_has_ended(self):
        size = 200_000
        with self.slow_listener() as listener:
            run = self.run_last_words(str(size))
            client, _ = listener.accept()
            with client:
                run.wait_for_output('^written$')
                time.sleep(0.5)
                received = 0
                while data := client.recv(4096):
                    received += len(data)
        self.assertEqual(received, size)
        run.wait()
        self.assert_status(run, 0)

    def test_who_never_reads_does_not_keep_the_machine_for_ever(self):
        with self.slow_listener() as listener:
            run = self.run_last_words('200000')
            client, _ = listener.accept()
            with client:
                run.wait()
        self.assert_status(run, 0)

    def test_a_datagram_to_a_neighbour_not_known_yet(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.settimeout(20)
            receiver.bind((HERE, PORT))
            for _ in range(3):
                run = self.run_last_words()
                self.assertEqual(receiver.recv(100), b'last words')
                run.wait()
                self.assert_status(run, 0)

    def test_a_missing_device_is_told(self):
        run = self.run_guest('/bin/true', options=['--net', 'tap:bad/name'])
        self.assertEqual(run.status, 125)
        self.assertIn('tap:bad/name', run.stderr)

    @guest.needs_process('a queue for each CPU')
    def test_each_cpu_sends_by_a_queue_of_its_own(self):
        """The host gives a connection's packets to the queue that it last came by, and counts them."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.settimeout(20)
            server.bind((QUEUES_HERE, PORT))
            client = self.start_guest('/usr/bin/python3', '/queues.py', QUEUES_HERE, str(PORT), '2', stdin=None,
                                      options=['--cpus', '2', '--net', 'tap:tap1', '--ip',
                                               f'{QUEUES_GUEST}/24,{QUEUES_HERE}', '--include', f'{CLIENT}:/queues.py'])
            for cpu in (0, 1):
                self.answer(server, cpu)
                # Now it is known on which CPU the other side's program runs.
                before = self.packets_of_queues('tap1')
                self.answer(server, cpu)
                sent = [after - first for after, first in zip(self.packets_of_queues('tap1'), before)]
                self.assertEqual(len(sent), 2)
                self.assertGreaterEqual(sent[cpu], ANSWERS, sent)
                self.assertLess(sent[1 - cpu], ANSWERS // 2, sent)
        client.wait_for_output('done')

    def answer(self, server, cpu):
        said, peer = server.recvfrom(100)
        self.assertEqual(int(said), cpu)
        for _ in range(ANSWERS):
            server.sendto(b'answer', peer)
        server.sendto(b'', peer)

    @staticmethod
    def packets_of_queues(device):
        tool = shutil.which('tc', path=os.defpath + ':/sbin:/usr/sbin')
        shown = subprocess.run([tool, '-stats', '-json', 'qdisc', 'show', 'dev', device], stdout=subprocess.PIPE, check=True)
        queues = {int(each['parent'].rpartition(':')[2], 16): each['packets'] for each in json.loads(shown.stdout)
                  if 'parent' in each}
        return [queues[number] for number in sorted(queues)]

    @guest.needs_process('a thread that writes in place of the only virtual CPU')
    @unittest.skipIf(guest.PROCESSORS > 1, 'several virtual CPUs have none')
    def test_a_busy_guest_leaves_its_packets_to_the_writer(self):
        with socket.create_server((HERE, PORT)) as listener:
            run = self.start_guest('/usr/bin/python3', '/lines.py', HERE, str(PORT), '2',
                                   options=['--net', 'tap:tap0', '--ip', f'{GUEST}/24,{HERE}', '--include',
                                            f'{LINES}:/lines.py'])
            client, _ = listener.accept()
        writer = self.writer_of(run.machine_pid())
        self.assert_confined(writer)
        before = self.ran_for(writer)
        ran_for = before
        received = []
        with client:
            while data := client.recv(1 << 20):
                received.append(data)
                if len(received) % 16 == 0:
                    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may have ended before us
                        ran_for = self.ran_for(writer)
        run.wait()
        count = int(run.stdout)
        self.assertTrue(b''.join(received) == b''.join(b'%d\n' % number for number in range(count)))
        self.assertGreater(ran_for, before)

    def writer_of(self, process):
        folder = f'/proc/{process}/task'
        found = []
        for thread in os.listdir(folder):
            with open(f'{folder}/{thread}/comm', encoding='ascii') as file:
                if file.read() == 'narwhal:writer\n':
                    found.append(f'{folder}/{thread}')
        self.assertEqual(len(found), 1)
        return found[0]

    def assert_confined(self, thread):
        with open(f'{thread}/status', encoding='ascii') as file:
            status = dict(line.rstrip('\n').split(':\t', 1) for line in file if ':\t' in line)
        self.assertEqual((status['NoNewPrivs'], status['Seccomp'], int(status['CapEff'], 16)), ('1', '2', 0))

    @staticmethod
    def ran_for(thread):
        """In ns."""
        with open(f'{thread}/schedstat', encoding='ascii') as file:
            return int(file.read().split()[0])

    @guest.needs_process('a queue for each CPU')
    def test_a_device_with_one_queue_will_do(self):
        run = self.run_guest('/bin/true', options=['--verbose', '--cpus', '2', '--net', 'tap:tap0', '--ip',
                                                   f'{GUEST}/24,{HERE}'])
        self.assertEqual(run.status, 0)
        self.assertIn('tap0 has 1 queue for 2 CPUs', run.stderr)


if __name__ == '__main__':
    guest.main()
