#!/usr/bin/env python3
"""python3 -c: sockets, threads, and a good part of the standard library."""

import socket
import threading

from tests import guest

PYTHON = '/usr/bin/python3'


class Python3(guest.TestCase):
    def test_talks_to_itself_through_sockets_and_threads(self):
        program = '''
import queue, selectors, socket, threading

listener = socket.create_server(("127.0.0.1", 0))
answers = queue.Queue()

def serve():
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        served = 0
        while served < 5:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    selector.register(connection, selectors.EVENT_READ)
                    continue
                data = key.fileobj.recv(4096)
                if data:
                    key.fileobj.sendall(data.upper())
                else:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    served += 1

def ask(number):
    with socket.create_connection(listener.getsockname()) as connection:
        connection.sendall(b"client %d" % number)
        answers.put(connection.recv(4096).decode())

server = threading.Thread(target=serve)
server.start()
clients = [threading.Thread(target=ask, args=(number,)) for number in range(5)]
for client in clients: client.start()
for client in clients: client.join()
server.join()
print(sorted(answers.get() for _ in range(5)))

left, right = socket.socketpair()
left.sendall(b"through a pair"); print(right.recv(100).decode())
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
udp.sendto(b"datagram", udp.getsockname()); print(udp.recvfrom(100)[0].decode())
six = socket.create_server(("::1", 0), family=socket.AF_INET6)
with socket.create_connection(six.getsockname()[:2]) as connection:
    six.accept()[0].sendall(b"sixth"); print(connection.recv(100).decode())
'''
        self.assert_output(self.run_guest(PYTHON, '-c', program),
                           "['CLIENT 0', 'CLIENT 1', 'CLIENT 2', 'CLIENT 3', 'CLIENT 4']\n"
                           'through a pair\ndatagram\nsixth\n')

    def test_uses_its_library(self):
        program = '''
import asyncio, concurrent.futures, ctypes, datetime, hashlib, json, mmap, os, select, signal, subprocess, sys
import sqlite3, tempfile, time, zlib

print(json.dumps({"version": sys.version_info[0], "platform": sys.platform}))
print(hashlib.sha256(b"narwhal").hexdigest()[:16], zlib.crc32(b"narwhal"))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "data")
    with open(path, "wb") as file: file.truncate(8192)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory: memory[4096:4100] = b"page"
    with open(path, "rb") as file: file.seek(4096); print(file.read(4))
    print(os.listdir(folder), os.stat(path).st_size)
with concurrent.futures.ThreadPoolExecutor(4) as pool: print(sum(pool.map(lambda n: n * n, range(100))))

async def tick(name):
    await asyncio.sleep(0.01)
    return name
async def several(): return await asyncio.gather(*(tick(n) for n in "abc"))
print(asyncio.run(several()))

print(subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read()[::-1]); sys.exit(4)"], input="lawran",
                     capture_output=True, text=True))
signal.signal(signal.SIGALRM, lambda number, frame: print("alarm", number))
signal.setitimer(signal.ITIMER_REAL, 0.02); signal.pause()
before = time.monotonic(); time.sleep(0.05); print(time.monotonic() - before >= 0.05)
pid = os.fork()
if pid == 0: os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
database = sqlite3.connect(":memory:"); print(database.execute("select 6 * 7").fetchone())
print(ctypes.CDLL(None).getppid() == os.getppid(), os.cpu_count(), len(os.urandom(8)))
print(datetime.datetime.fromtimestamp(0, datetime.timezone.utc).isoformat())
'''
        self.assert_output(self.run_guest(PYTHON, '-c', program, limit=180), '''{"version": 3, "platform": "linux"}
d6e494d265e4d240 2391929534
b'page'
['data'] 8192
328350
['a', 'b', 'c']
CompletedProcess(args=['/usr/bin/python3', '-c', 'import sys; print(sys.stdin.read()[::-1]); sys.exit(4)'], '''
                           '''returncode=4, stdout='narwal\\n', stderr='')
alarm 14
True
9
(42,)
True %d 8
1970-01-01T00:00:00+00:00
''' % guest.PROCESSORS)

    def test_is_a_client_of_the_host(self):
        with socket.create_server((guest.LOOPBACK, 0)) as listener:
            got = []

            def serve():
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(65536):
                        got.append(data)
                    connection.sendall(b'%d' % sum(map(len, got)))

            thread = threading.Thread(target=serve)
            thread.start()
            program = ('import socket, sys\n'
                       'with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:\n'
                       '    connection.sendall(bytes(range(256)) * 2000); connection.shutdown(socket.SHUT_WR)\n'
                       '    print(connection.recv(100).decode())')
            run = self.run_guest(PYTHON, '-c', program, guest.HOST, str(listener.getsockname()[1]))
            self.assert_output(run, '512000\n')
            thread.join()
            self.assertTrue(b''.join(got) == bytes(range(256)) * 2000)

    def test_prints_a_traceback(self):
        run = self.run_guest(PYTHON, '-c', 'raise ValueError("wrong")')
        self.assertEqual(run.stdout, '')
        self.assertRegex(run.stderr, r'(?s)\ATraceback .*ValueError: wrong\n\Z')
        self.assert_status(run, 1)


if __name__ == '__main__':
    guest.main()
