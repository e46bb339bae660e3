"""narwhal bench: the same programs in Narwhal and in a Debian Linux guest, side by side.

Both guests are started by `narwhal run`: the same QEMU, accelerator, memory and devices. They take turns, and of
several rounds the best counts: what else the machine does only ever adds time.
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

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / "bazel-bin"
NARWHAL = BUILT / "tools/narwhal/narwhal"

TIMES_LINE = re.compile(r"times in ms: program (-?[\d.]+), output (-?[\d.]+), end (-?[\d.]+)")
REQUESTS_LINE = re.compile(r"Requests/sec:\s+([\d.]+)")
WRK_ERRORS_LINE = re.compile(r"Socket errors|Non-2xx")
REDIS_LINE = re.compile(r"^(?:PING_)?(\w+)[^:\n]*: ([\d.]+) requests per second", re.MULTILINE)

GUESTS = ["narwhal", "linux"]
NGINX = ["nginx", "-g", "daemon off; master_process off;"]
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


def parse_times(text):
    """Milliseconds from QEMU's start to the program's start, to its first output, and to the end."""
    found = TIMES_LINE.search(text)
    if not found:
        return None
    return dict(zip(("program", "output", "end"), map(float, found.groups())))


def parse_redis(text):
    """What redis-benchmark -q printed: test -> requests a second."""
    # While it runs it overwrites one line, again and again.
    return {name: float(value) for name, value in REDIS_LINE.findall(text.replace("\r", "\n"))}


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

    def lines(self):
        yield f"{'':<28}{'narwhal':>14}{'linux':>14}  {'unit':<16}narwhal is"
        for name, entry in self.rows.items():
            values = entry["values"]
            cells = "".join(
                f"{values[guest]:>14,.1f}" if guest in values else f"{'-':>14}" for guest in GUESTS)
            yield f"{name:<28}{cells}  {entry['unit']:<16}{self.verdict(entry)}"

    @staticmethod
    def verdict(entry):
        values = entry["values"]
        if any(not values.get(guest) for guest in GUESTS):
            return ""
        ratio = values["linux"] / values["narwhal"]
        if entry["more_is_better"]:
            ratio = 1 / ratio
        return f"{ratio:.2f} times as good"


class Bench:
    def __init__(self, options, linux_folder):
        self.options = options
        self.linux_folder = linux_folder
        self.table = Table()
        self.failures = []

    def say(self, text):
        if sys.stderr.isatty():
            print(f"\r\x1b[Knarwhal bench: {text}", end="", file=sys.stderr, flush=True)

    def command(self, guest, program, *run_options):
        words = [str(NARWHAL), "run", "--machine", self.options.machine, "--accel", self.options.accel]
        if self.options.icount:
            words.append("--icount")
        if guest == "linux":
            words += ["--linux", str(self.linux_folder)]
        return words + list(run_options) + ["--"] + list(map(str, program))

    def run(self, guest, program, *run_options, limit=600):
        self.say(f"{program[0]} in {guest}")
        try:
            result = subprocess.run(self.command(guest, program, *run_options), stdin=subprocess.DEVNULL,
                                    capture_output=True, text=True, timeout=limit)
        except subprocess.TimeoutExpired:
            raise Failure(f"{program[0]} in {guest}: not done after {limit} s")
        if result.returncode != 0:
            raise Failure(f"{program[0]} in {guest}: status {result.returncode}: {first_complaint(result.stderr)}")
        return result

    # Each measurement has a name, a list of guests to try, and adds rows to the table.

    def calls(self, guest):
        result = self.run(guest, [BUILT / "bench/micro"], "--net", "none", "-m", CALLS_MEMORY)
        unit = "instructions" if self.options.icount else "ns"
        for row, value in parse_rows(result.stdout).items():
            self.table.add(row, unit, guest, value)

    def boot(self, guest):
        result = self.run(guest, [BUILT / "bench/hello"], "--verbose", limit=120)
        times = parse_times(result.stderr)
        if not times or result.stdout != "hello\n":
            raise Failure(f"hello in {guest}: {result.stdout!r}")
        self.table.add("start to first output", "ms", guest, times["output"])

    def memory(self, guest):
        def hello(size):
            self.run(guest, [BUILT / "bench/hello"], "-m", size, limit=60)

        def nginx(size):
            self.server(guest, NGINX, 80, lambda port, child: self.wait_for_page(port, child, limit=30), "-m", size)

        for name, try_with in (("hello", hello), ("nginx, one page", nginx)):
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

    def server(self, guest, program, guest_port, use, *run_options):
        """Starts a server, waits until it answers, and lets `use` do the rest."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.say(f"{program[0]} in {guest}")
        child = subprocess.Popen(self.command(guest, program, "-p", f"{port}:{guest_port}", *run_options), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            use(port, child)
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
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

    def wait_for_page(self, port, child, limit=60):
        url = f"http://127.0.0.1:{port}/"
        self.wait_until(lambda: urllib.request.urlopen(url, timeout=2).status == 200, child, limit)
        return url

    def nginx(self, guest):
        def use(port, child):
            url = self.wait_for_page(port, child)
            result = subprocess.run(["wrk", "-t1", "-c32", f"-d{self.options.seconds}s", url], check=True,
                                    capture_output=True, text=True)
            found = REQUESTS_LINE.search(result.stdout)
            if not found or WRK_ERRORS_LINE.search(result.stdout):
                raise Failure(f"nginx in {guest}: {result.stdout.strip().splitlines()[-3:]}")
            self.table.add("nginx, 32 connections", "requests/s", guest, float(found[1]), more_is_better=True)

        self.server(guest, NGINX, 80, use)

    def redis(self, guest):
        def ping(port):
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7) == b"+PONG\r\n"

        def use(port, child):
            self.wait_until(lambda: ping(port), child)
            for pipeline, count in ((1, 10000), (16, 100000)):
                result = subprocess.run(
                    ["redis-benchmark", "-p", str(port), "-t", "set,get", "-c", "50", "-n", str(count), "-P",
                     str(pipeline), "-q"], check=True, capture_output=True, text=True, timeout=300)
                for name, value in parse_redis(result.stdout).items():
                    self.table.add(f"redis {name}, pipeline {pipeline}", "requests/s", guest, value,
                                   more_is_better=True)

        self.server(guest, ["redis-server", "--protected-mode", "no", "--save", "", "--appendonly", "no"], 6379, use)

    MEASUREMENTS = {"calls": calls, "boot": boot, "memory": memory, "nginx": nginx, "redis": redis}

    def measure(self):
        guests = [guest for guest in GUESTS if guest in self.options.guests]
        for _ in range(self.options.rounds):
            for name in self.options.rows:
                for guest in guests:
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
    parser.add_argument("--accel", default="auto", choices=["auto", "kvm", "tcg"], help="as in narwhal run")
    parser.add_argument("--icount", action="store_true",
                        help="count instructions instead of time: figures repeat exactly")
    parser.add_argument("--machine", default="microvm", choices=["microvm", "q35"],
                        help="Narwhal's machine; Linux always has q35")
    parser.add_argument("--rounds", type=int, default=3, help="how often; the best counts")
    parser.add_argument("--seconds", type=int, default=5, help="length of a load on nginx")
    parser.add_argument("--guests", nargs="+", default=GUESTS, choices=GUESTS)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    options = parser.parse_intermixed_args(words)
    for row in options.rows:
        if row not in everything:
            parser.error(f"there are no rows {row}; choose from {', '.join(everything)}")
    # Against the clock of instructions, a load from outside means nothing.
    options.rows = options.rows or (["calls"] if options.icount else everything)
    return options


def main(words):
    options = parse_options(words)
    for tool, row in (("wrk", "nginx"), ("redis-benchmark", "redis")):
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
            options.guests = ["narwhal"]
    os.environ.setdefault("NARWHAL_KERNEL", str(BUILT / "kernel/init/narwhal.elf"))
    bench = Bench(options, folder)
    bench.measure()
    for line in bench.table.lines():
        print(line)
    for failure in sorted(set(bench.failures)):
        print(f"narwhal bench: {failure}", file=sys.stderr)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(bench.table.rows, indent=2) + "\n")
    return 1 if bench.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
