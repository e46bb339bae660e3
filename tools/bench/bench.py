"""narwhal bench: the same programs on this machine's own Linux, in Narwhal's two homes, in a Debian Linux guest and in gVisor.

Guests are started by `narwhal run`: the same memory and network, and for machines the same QEMU, accelerator and devices.
All take turns, and of several rounds the best counts: what else the machine does only ever adds time.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import linux_guest
import places

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / "bazel-bin"
NARWHAL = BUILT / "tools/narwhal/narwhal"

REQUESTS_LINE = re.compile(r"Requests/sec:\s+([\d.]+)")
WRK_ERRORS_LINE = re.compile(r"Socket errors|Non-2xx")
REQUESTS_OF_TEST = re.compile(r"^(?:PING_)?(\w+)[^:\n]*: ([\d.]+) requests per second", re.MULTILINE)

# What issue 4 asks of the process home, where native Linux or gVisor was measured beside it: at least so many times as
# good as native, or as gVisor; at most so much.
AIMS = {
    "null_syscall": ("native", 4),
    "page_fault": ("native", 1 / 1.5),
    "pipe_ping_pong": ("native", 1),
    "futex_ping_pong": ("native", 1),
    "thread_create_join": ("native", 1),
    "start to first output": ("at most", 15),
    "nginx, 32 connections": ("native", 0.7),
    "nginx, 32 connections, against gVisor": ("gvisor", 10),
    "nginx, 1 GiB, 1 connection": ("native", 1),
    "nginx, 1 GiB, 4 connections": ("native", 1),
    **{f"{server} {test}, pipeline {pipeline}": ("native", aim)
       for server in ("redis", "memcached") for pipeline, aim in ((1, 0.7), (16, 1)) for test in ("SET", "GET")},
    "resident memory, hello": ("at most", 6),
    "resident memory, nginx": ("at most", 12),
    "resident memory, redis": ("at most", 14),
}
# In a folder that is each place's own; otherwise as Debian sets nginx up.
FILE_SIZE = 1 << 30
FILE_SERVER = ["sh", "-c", f"""head -c {FILE_SIZE} /dev/zero >/tmp/file
echo 'daemon off; master_process off; events {{}}
http {{ sendfile on; tcp_nopush on; server {{ listen 80; root /tmp; }} }}' >/tmp/nginx.conf
exec nginx -c /tmp/nginx.conf"""]
FILE_SERVER_NEEDS = ["-m", "2G", "--include", "/usr/sbin/nginx", "--include", "/usr/bin/head",
                     "--include", "/var/lib/nginx", "--include", "/var/log/nginx"]
NGINX = ["nginx", "-g", "daemon off; master_process off;"]
BOOTS = 5  # in a round
CALLS_MEMORY = "2G"  # one row has a process of 1 GiB
MOST_MEMORY = 512  # MiB


class Failure(Exception):
    """One measurement did not work; the others go on."""


def parse_rows(text):
    """What bench/micro printed: name -> nanoseconds."""
    rows = {}
    for line in text.splitlines():
        name, _, value = line.strip().partition(" ")
        try:
            rows[name] = float(value)
        except ValueError:
            continue
    return rows


def parse_requests(text):
    """What redis-benchmark -q or key_load printed: test -> requests a second."""
    # While it runs it overwrites one line, again and again.
    return {name: float(value) for name, value in REQUESTS_OF_TEST.findall(text.replace("\r", "\n"))}


def first_complaint(text):
    """Of what narwhal run said, the line that says what happened; the others describe and advise."""
    lines = [line for line in text.splitlines() if not re.match(r"narwhal: (root|kernel|platform|times in ms): ?", line)]
    return lines[0] if lines else "no message"


def least(works, lowest, highest):
    """The smallest number from lowest to highest that works, if highest does; larger ones work as well."""
    if not works(highest):
        return None
    while lowest < highest:
        middle = (lowest + highest) // 2
        if works(middle):
            highest = middle
        else:
            lowest = middle + 1
    return highest


class Table:
    """Results: the best of all rounds for each row and guest."""

    def __init__(self):
        self.rows = {}

    def add(self, row, unit, guest, value, more_is_better=False):
        entry = self.rows.setdefault(row, {"unit": unit, "more_is_better": more_is_better, "values": {}})
        best = entry["values"].get(guest)
        pick = max if more_is_better else min
        entry["values"][guest] = value if best is None else pick(best, value)

    def lines(self, guests):
        yield f"{'':<26}" + "".join(f"{guest:>12}" for guest in guests) + f"  {'unit':<13}process/native  vm/linux  aim"
        for name, entry in self.rows.items():
            values = entry["values"]
            cells = "".join(f"{values[guest]:>12,.1f}" if guest in values else f"{'-':>12}" for guest in guests)
            ratios = f"{self.ratio(entry, 'process', 'native'):>14}{self.ratio(entry, 'vm', 'linux'):>10}"
            yield f"{name:<26}{cells}  {entry['unit']:<13}{ratios}  {self.aim(name, entry)}".rstrip()

    @staticmethod
    def times_as_good(entry, guest, other):
        values = entry["values"]
        if not values.get(guest) or not values.get(other):
            return None
        ratio = values[other] / values[guest]
        return 1 / ratio if entry["more_is_better"] else ratio

    def ratio(self, entry, guest, other):
        """How many times as good."""
        found = self.times_as_good(entry, guest, other)
        return "-" if found is None else f"{found:.2f}"

    def aim(self, name, entry):
        """What is aimed at, and whether it was reached."""
        said = []
        for row, (against, much) in AIMS.items():
            if row.removesuffix(", against gVisor") != name:
                continue
            if against == "at most":
                value = entry["values"].get("process")
                reached = value is not None and value <= much
                text = f"at most {much}"
            else:
                value = self.times_as_good(entry, "process", against)
                reached = value is not None and value >= much
                text = f"{much:.3g} times {against}"
            if value is not None:
                said.append(text + (": reached" if reached else ": MISSED"))
        return ", ".join(said)


class Bench:
    def __init__(self, options, found):
        self.options = options
        self.places = found
        self.table = Table()
        self.failures = []

    def say(self, text):
        if sys.stderr.isatty():
            print(f"\r\x1b[Knarwhal bench: {text}", end="", file=sys.stderr, flush=True)

    def run(self, guest, program, *run_options, limit=600):
        self.say(f"{program[0]} in {guest}")
        try:
            result = subprocess.run(self.places[guest].command(program, *run_options), stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{program[0]} in {guest}: not done after {limit} s")
        if result.returncode != 0:
            raise Failure(f"{program[0]} in {guest}: status {result.returncode}: {first_complaint(result.stderr)}")
        return result

    # Each measurement has a name, a list of guests to try, and adds rows to the table.

    def calls(self, guest):
        result = self.run(guest, [BUILT / "bench/micro"], "-m", CALLS_MEMORY)
        unit = "instructions" if self.options.icount else "ns"
        for row, value in parse_rows(result.stdout).items():
            self.table.add(row, unit, guest, value)

    def boot(self, guest):
        """From before the command starts, packing included, to the program's first byte; and what is resident then."""
        self.say(f"hello in {guest}")
        command = self.places[guest].command([BUILT / "bench/hello", "stay"])
        for _ in range(BOOTS):
            begin = time.monotonic()
            # Its own process group: gVisor's are not all its children.
            with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  start_new_session=True) as child:
                said = child.stdout.read(6)
                taken = time.monotonic() - begin
                memory = places.resident_of_all(child.pid, self.places[guest].is_guest)
                os.killpg(child.pid, signal.SIGKILL)
                if said != b"hello\n":
                    raise Failure(f"hello in {guest}: {first_complaint(child.stderr.read().decode())}")
            self.table.add("start to first output", "ms", guest, taken * 1000)
            self.table.add("resident memory, hello", "MiB", guest, memory)

    def memory(self, guest):
        """The least that a machine can be given."""
        if guest not in ("vm", "linux"):
            return

        def hello(size):
            self.run(guest, [BUILT / "bench/hello"], "-m", size, limit=60)

        def nginx(size):
            self.server(guest, NGINX, 80, lambda at, child: self.wait_for_page(at, child, limit=30), "-m", size)

        for name, try_with in (("hello", hello), ("nginx", nginx)):
            row = f"least memory, {name}"
            if guest in self.table.rows.get(row, {"values": {}})["values"]:
                continue  # the same in every round

            def works(mebibytes):
                try:
                    try_with(f"{mebibytes}M")
                    return True
                except Failure:
                    return False

            found = least(works, 2, MOST_MEMORY)
            if found is None:
                raise Failure(f"{name} in {guest}: {MOST_MEMORY} MiB are not enough")
            self.table.add(row, "MiB", guest, found)

    def server(self, guest, program, port, use, *run_options):
        """Starts a server, waits until it answers, and lets `use` do the rest."""
        if not self.places[guest].can_serve():
            raise Failure(f"{program[0]} in {guest}: only root can make the network for it")
        self.say(f"{program[0]} in {guest}")
        command, address = self.places[guest].server(program, port, *run_options)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                 text=True, start_new_session=True)
        try:
            use(address, child)
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()

    @staticmethod
    def wait_until(works, child, limit=60):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            if child.poll() is not None:
                raise Failure(f"the server ended: {child.stderr.read().strip()[-200:]}")
            try:
                if works():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise Failure("the server does not answer")

    def wait_for_page(self, address, child, limit=60):
        url = f"http://{address[0]}:{address[1]}/"
        self.wait_until(lambda: urllib.request.urlopen(url, timeout=2).status == 200, child, limit)
        return url

    def add_resident(self, name, guest, child):
        """What a server takes once it idles: the process home lets go of what it only started with a second later. Of a
        guest also all that it holds: its files are in its memory, the host's own are in the page cache."""
        time.sleep(2)
        is_guest = self.places[guest].is_guest
        self.table.add(f"resident memory, {name}", "MiB", guest, places.resident_of_all(child.pid, is_guest))
        if is_guest:
            self.table.add(f"memory with files, {name}", "MiB", guest, places.held_by_all(child.pid, is_guest))

    def nginx(self, guest):
        def use(address, child):
            url = self.wait_for_page(address, child)
            self.add_resident("nginx", guest, child)
            result = subprocess.run(["wrk", "-t1", "-c32", f"-d{self.options.seconds}s", url], check=True,
                                    capture_output=True, text=True)
            found = REQUESTS_LINE.search(result.stdout)
            if not found or WRK_ERRORS_LINE.search(result.stdout):
                raise Failure(f"nginx in {guest}: {result.stdout.strip().splitlines()[-3:]}")
            self.table.add("nginx, 32 connections", "requests/s", guest, float(found[1]), more_is_better=True)

        self.server(guest, NGINX, 80, use)

    def sendfile(self, guest):
        def use(address, child):
            words = [BUILT / "bench/fetch", address[0], str(address[1]), "/file", str(FILE_SIZE)]

            def is_there():
                request = urllib.request.Request(f"http://{address[0]}:{address[1]}/file", method="HEAD")
                return urllib.request.urlopen(request, timeout=2).status == 200

            self.wait_until(is_there, child)
            for connections in (1, 4):
                said = subprocess.run([*words, str(connections)], check=True, capture_output=True, text=True, timeout=300)
                self.table.add(f"nginx, 1 GiB, {connections} connection{'s' * (connections > 1)}", "MiB/s", guest,
                               float(said.stdout.split()[0]), more_is_better=True)

        self.server(guest, FILE_SERVER, 80, use, *(FILE_SERVER_NEEDS if self.places[guest].is_guest else []))

    def key_value_load(self, server, guest, address, command):
        """Loads a server with and without pipelining; `command` makes the load's words of number and depth."""
        for pipeline, count in ((1, 50000), (16, 500000)):
            result = subprocess.run(command(address[0], str(address[1]), str(count), str(pipeline)), check=True,
                                    capture_output=True, text=True, timeout=300)
            for name, value in parse_requests(result.stdout).items():
                self.table.add(f"{server} {name}, pipeline {pipeline}", "requests/s", guest, value, more_is_better=True)

    def wait_for_answer(self, address, question, answer, child):
        def answers():
            with socket.create_connection(address, timeout=2) as connection:
                connection.sendall(question)
                return connection.recv(len(answer)) == answer

        self.wait_until(answers, child)

    def memcached(self, guest):
        def use(address, child):
            self.wait_for_answer(address, b"version\r\n", b"VERSION ", child)
            self.key_value_load("memcached", guest, address, lambda host, port, count, pipeline:
                                [BUILT / "bench/key_load", host, port, "50", count, pipeline])

        self.server(guest, ["memcached", "-u", "root", "-l", "0.0.0.0"], 11211, use)

    def redis(self, guest):
        def use(address, child):
            self.wait_for_answer(address, b"PING\r\n", b"+PONG\r\n", child)
            self.add_resident("redis", guest, child)
            self.key_value_load("redis", guest, address, lambda host, port, count, pipeline:
                                ["redis-benchmark", "-h", host, "-p", port, "-t", "set,get", "-c", "50", "-n", count, "-P",
                                 pipeline, "-q"])

        self.server(guest, ["redis-server", "--protected-mode", "no", "--save", "", "--appendonly", "no"], 6379, use)

    MEASUREMENTS = {"calls": calls, "boot": boot, "memory": memory, "nginx": nginx, "sendfile": sendfile,
                    "redis": redis, "memcached": memcached}

    def measure(self):
        for _ in range(self.options.rounds):
            for name in self.options.rows:
                for guest in self.places:
                    try:
                        self.MEASUREMENTS[name](self, guest)
                    except Failure as failure:
                        self.failures.append(str(failure))
                    except (subprocess.SubprocessError, OSError) as error:
                        self.failures.append(f"{name} in {guest}: {error}")
        if sys.stderr.isatty():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def parse_options(words):
    everything = list(Bench.MEASUREMENTS)
    parser = argparse.ArgumentParser(prog="narwhal bench", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROWS", help=f"any of {', '.join(everything)} (default: all)")
    parser.add_argument("--accel", default="auto", choices=["auto", "kvm", "tcg"], help="of machines, as in narwhal run")
    parser.add_argument("--icount", action="store_true",
                        help="count instructions instead of time: figures repeat exactly")
    parser.add_argument("--machine", default="microvm", choices=["microvm", "q35"],
                        help="of the vm home; Linux always has q35")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the best counts")
    parser.add_argument("--seconds", type=int, default=5, help="length of a load on nginx")
    parser.add_argument("--guests", nargs="+", default=places.ALL, choices=places.ALL,
                        help="where (default: everywhere)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    options = parser.parse_intermixed_args(words)
    for row in options.rows:
        if row not in everything:
            parser.error(f"there are no rows {row}; choose from {', '.join(everything)}")
    # Against the clock of instructions, a load from outside means nothing.
    options.rows = options.rows or (["calls"] if options.icount else everything)
    if options.icount:
        options.guests = [guest for guest in options.guests if guest in ("vm", "linux")]
    return options


def processor():
    """Its name and number."""
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return f"{os.cpu_count()} x {found[1] if found else os.uname().machine}"


def main(words):
    options = parse_options(words)
    for tool, row in (("wrk", "nginx"), ("redis-benchmark", "redis"), ("memcached", "memcached")):
        if row in options.rows and shutil.which(tool) is None:
            print(f"narwhal bench: {row} is left out: {tool} is not installed", file=sys.stderr)
            options.rows.remove(row)
    folder = None
    if "linux" in options.guests:
        try:
            folder = linux_guest.prepare(BUILT / "tools/bench/linux_init",
                                         lambda text: print(f"narwhal bench: {text}", file=sys.stderr))
        except linux_guest.Unavailable as problem:
            print(f"narwhal bench: no Linux guest: {problem}", file=sys.stderr)
            options.guests.remove("linux")
    if "gvisor" in options.guests and shutil.which("runsc") is None:
        print("narwhal bench: no gVisor: runsc is not installed (apt-get install runsc)", file=sys.stderr)
        options.guests.remove("gvisor")
    os.environ.setdefault("NARWHAL_KERNEL", str(BUILT / "kernel/init/narwhal.elf"))
    os.environ.setdefault("NARWHAL_PROCESS_KERNEL", str(BUILT / "kernel/init/narwhal_process.elf"))
    network = places.Network()
    guests = [guest for guest in places.ALL if guest in options.guests]
    bench = Bench(options, {guest: places.Place(guest, NARWHAL, options, network, folder) for guest in guests})
    try:
        network.make()
        kind = "TAP, veth" if network.is_there else "user"
        bench.measure()
    finally:
        network.remove()
    print(f"{time.strftime('%d %B %Y')}, {processor()}, Linux {os.uname().release}, network: {kind}")
    for line in bench.table.lines(guests):
        print(line)
    for failure in sorted(set(bench.failures)):
        print(f"narwhal bench: {failure}", file=sys.stderr)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(bench.table.rows, indent=2) + "\n")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
