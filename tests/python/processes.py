"""What Python programs do with processes; processes_test.py compares what it prints in a guest and here.

The arguments are the parts to run: a start method of multiprocessing, or futures, programs, asynchronous, signals.
"""

import asyncio
import concurrent.futures
import ctypes
import multiprocessing as mp
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import shared_memory


def square(n):
    return n * n


def fail(n):
    raise ValueError(f'no {n}')


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def consume(inbox, outbox):
    for item in iter(inbox.get, None):
        outbox.put(item * 2)
    outbox.put(None)


def count(value, lock):
    for _ in range(200):
        with lock:
            value.value += 1


def talk(pipe):
    while (message := pipe.recv()) != 'end':
        pipe.send(message[::-1])


def fill(name, at):
    block = shared_memory.SharedMemory(name)
    block.buf[at] = at + 1
    block.close()


def enter(mapping, key):
    mapping[key] = os.getpid() != mapping['parent']


def meet(barrier, queue):
    barrier.wait()
    queue.put('met')


def processes(method):
    context = mp.get_context(method)
    print('==', method)
    with context.Pool(3) as pool:
        print(pool.map(square, range(20), chunksize=3))
        print(sum(pool.imap_unordered(square, range(50))))
        print(pool.apply_async(square, (12,)).get(), pool.starmap(pow, [(2, 5), (3, 2)]))
        try:
            pool.apply(fail, (3,))
        except ValueError as error:
            print('error', error)
    inbox, outbox = context.Queue(), context.Queue()
    worker = context.Process(target=consume, args=(inbox, outbox))
    worker.start()
    for n in range(5):
        inbox.put(n)
    inbox.put(b'x' * 100000)
    inbox.put(None)
    print([len(x) if isinstance(x, bytes) else x for x in iter(outbox.get, None)])
    worker.join()
    print(worker.exitcode)
    value, lock = context.Value(ctypes.c_long, 0, lock=False), context.Lock()
    workers = [context.Process(target=count, args=(value, lock)) for _ in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    print(value.value)
    ours, theirs = context.Pipe()
    worker = context.Process(target=talk, args=(theirs,))
    worker.start()
    ours.send('hello')
    print(ours.recv(), ours.poll(0))
    ours.send('end')
    worker.join()
    block = shared_memory.SharedMemory(create=True, size=100)
    workers = [context.Process(target=fill, args=(block.name, at)) for at in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    print(list(block.buf[:4]))
    block.close()
    block.unlink()
    try:
        shared_memory.SharedMemory(block.name)
    except FileNotFoundError:
        print('gone')
    with context.Manager() as manager:
        mapping, items = (manager.dict(parent=os.getpid()), manager.list([1, 2]))
        workers = [context.Process(target=enter, args=(mapping, key)) for key in 'ab']
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        items.append(3)
        print(mapping['a'], mapping['b'], list(items))
    barrier, queue = context.Barrier(3), context.SimpleQueue()
    workers = [context.Process(target=meet, args=(barrier, queue)) for _ in range(2)]
    for w in workers:
        w.start()
    barrier.wait()
    print(queue.get(), queue.get())
    for w in workers:
        w.join()
    worker = context.Process(target=die)
    worker.start()
    worker.join()
    print(worker.exitcode)
    worker = context.Process(target=time.sleep, args=(100,))
    worker.start()
    worker.terminate()
    worker.join()
    print(worker.exitcode)
    print(mp.active_children())


def futures():
    print('== futures')
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(list(pool.map(square, range(5))), pool.submit(pow, 2, 10).result())
        try:
            pool.submit(die).result()
        except concurrent.futures.process.BrokenProcessPool:
            print('broken')
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(square, range(100))))


def programs():
    print('== programs')
    print(subprocess.run(['cat'], input=b'x' * 300000, capture_output=True).stdout.count(b'x'))
    first = subprocess.Popen(['seq', '1000'], stdout=subprocess.PIPE)
    second = subprocess.Popen(['wc', '-l'], stdin=first.stdout, stdout=subprocess.PIPE, text=True)
    first.stdout.close()
    print(second.communicate()[0].strip(), first.wait(), second.returncode)
    try:
        subprocess.run(['sleep', '10'], timeout=0.3)
    except subprocess.TimeoutExpired:
        print('timeout')
    print(subprocess.run('exit 3', shell=True).returncode, subprocess.run(['sh', '-c', 'kill $$']).returncode)
    try:
        subprocess.run(['/nowhere'])
    except FileNotFoundError as error:
        print(error.errno, error.filename)
    try:
        subprocess.run(['true'], cwd='/nowhere')
    except FileNotFoundError as error:
        print(error.errno, error.filename)
    script = 'echo out; echo err >&2; pwd; echo $A; ls /proc/self/fd | wc -l'
    run = subprocess.run(['sh', '-c', script], env={'A': 'b', 'PATH': os.environ['PATH']}, cwd='/',
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(run.stdout.split())
    r, w = os.pipe()
    run = subprocess.run(['sh', '-c', f'echo kept >&{w}'], pass_fds=[w])
    os.close(w)
    print(os.read(r, 10))
    os.close(r)
    leader = subprocess.Popen(['sh', '-c', 'echo $$; exec sleep 100'], start_new_session=True,
                              stdout=subprocess.PIPE, text=True)
    leader.stdout.readline()
    print(os.getsid(leader.pid) == leader.pid)
    os.killpg(leader.pid, signal.SIGTERM)
    print(leader.wait())
    print(os.waitstatus_to_exitcode(os.system('exit 5')), os.popen('echo popen').read().strip(),
          os.spawnlp(os.P_WAIT, 'sh', 'sh', '-c', 'exit 6'))
    pid = os.posix_spawnp('sh', ['sh', '-c', 'exit 7'], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    pid, master = os.forkpty()
    if pid == 0:
        os.execlp('sh', 'sh', '-c', 'test -t 0 && echo terminal')
    print(os.read(master, 100))
    print(os.waitpid(pid, 0)[1])


async def asynchronous():
    print('== asyncio')
    process = await asyncio.create_subprocess_exec('cat', stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = await process.communicate(b'through cat')
    print(out, process.returncode)
    runs = await asyncio.gather(*(asyncio.create_subprocess_shell(f'exit {n}') for n in range(5)))
    print(await asyncio.gather(*(run.wait() for run in runs)))
    process = await asyncio.create_subprocess_exec('sleep', '100')
    try:
        await asyncio.wait_for(process.wait(), 0.2)
    except asyncio.TimeoutError:
        process.terminate()
        print('timeout', await process.wait())
    process = await asyncio.create_subprocess_shell('for i in 1 2 3; do echo line $i; done; echo err >&2',
                                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    print([line async for line in process.stdout], await process.stderr.read(), await process.wait())
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, event.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(event.wait(), 20)
    print('signal')
    print(await loop.run_in_executor(None, square, 9))

    async def serve(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_unix_server(serve, 'socket')
    reader, writer = await asyncio.open_unix_connection('socket')
    writer.write(b'socket\n')
    print(await reader.read())
    writer.close()
    server.close()
    os.unlink('socket')


def signals():
    print('== signals')
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(signal.Signals(number).name))
    signal.raise_signal(signal.SIGUSR1)
    print(seen)
    signal.signal(signal.SIGALRM, lambda *_: seen.append('alarm'))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    time.sleep(0.4)
    print(seen)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        os.kill(os.getpid(), signal.SIGUSR2)
        info = signal.sigtimedwait([signal.SIGUSR2], 20)
        os._exit(info.si_pid == os.getpid() and info.si_signo == 12)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    signal.signal(signal.SIGCHLD, lambda *_: seen.append('child'))
    child = os.fork()
    if child == 0:
        os._exit(4)
    while seen[-1] != 'child':
        time.sleep(0.05)
    print(os.waitid(os.P_PID, child, os.WEXITED).si_status)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.raise_signal(signal.SIGUSR1)
    print(os.read(reader, 10))
    signal.set_wakeup_fd(-1)
    threading.Timer(0.2, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
    try:
        time.sleep(20)
        print('not here')
    except KeyboardInterrupt:
        print('interrupt')
    try:
        sys.stdout.flush()
        r, w = os.pipe()
        os.close(r)
        os.write(w, b'x')
    except BrokenPipeError:
        print('broken pipe')


if __name__ == '__main__':
    for method in sys.argv[1:] or ['fork', 'spawn', 'forkserver']:
        if method in ('fork', 'spawn', 'forkserver'):
            processes(method)
        elif method == 'asynchronous':
            asyncio.run(asynchronous())
        else:
            globals()[method]()
        sys.stdout.flush()
