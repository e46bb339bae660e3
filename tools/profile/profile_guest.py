"""narwhal profile: where the time of a program in the process home goes, in the program, in Narwhal's kernel and in the host's.

perf(1) samples the guest's processes. It knows the host's symbols only; those of the program and its libraries are found by
their place in the guest's root archive, from which the guest's memory begins, and Narwhal's own in the image that was not
stripped. Needs root, because the guest's memory is nobody else's to look at.
"""

import bisect
import collections
import html
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILT = ROOT / "bazel-bin"
IMAGE = BUILT / "kernel/init/narwhal_process.elf"
RATE = 999  # samples a second, and not in step with anything
FRAME = re.compile(r"^\s+([0-9a-f]+) (.*?) \((.*)\)$")


class Symbols:
    """An ELF file's functions, by address."""

    def __init__(self, path):
        found = {}
        for option in ([], ["-D"]):
            result = subprocess.run(["nm", "--demangle", "--defined-only", *option, str(path)], capture_output=True,
                                    text=True, check=False)
            for line in result.stdout.splitlines():
                words = line.split(" ", 2)
                if len(words) == 3 and words[1] in "tTwWi":
                    found.setdefault(int(words[0], 16), words[2].partition("(")[0].partition("@")[0])
        self._addresses = sorted(found)
        self._names = [found[address] for address in self._addresses]

    def name(self, address):
        at = bisect.bisect_right(self._addresses, address) - 1
        return self._names[at] if at >= 0 else None


def members(archive):
    """name -> (offset of its data, size) of a newc archive (cpio(5)), from a file that it is the beginning of."""
    found = {}
    at = 0
    while True:
        archive.seek(at)
        header = archive.read(110)
        if header[:6] != b"070701":
            return found
        size, name_size = int(header[54:62], 16), int(header[94:102], 16)
        name = archive.read(name_size).partition(b"\0")[0].decode("utf-8", "replace")
        if name == "TRAILER!!!":
            return found
        data = (at + 110 + name_size + 3) & ~3
        found[name] = (data, size)
        at = (data + size + 3) & ~3


def address_of_offset(path, offset):
    """The address for which an ELF file was linked, of a place in it."""
    with open(path, "rb") as file:
        header = file.read(64)
        if header[:5] != b"\x7fELF\2":
            return None
        start, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        for number in range(count):
            file.seek(start + number * size)
            kind, _, at, address, _, length = struct.unpack_from("<IIQQQQ", file.read(56))
            if kind == 1 and at <= offset < at + length:
                return address + offset - at
    return None


class Names:
    """What perf script says of a frame, as a name for people."""

    def __init__(self, found, folder):
        self._places = sorted((offset, size, name) for name, (offset, size) in found.items() if size)
        self._folder = folder
        self._symbols = {}

    def _of(self, path):
        if path not in self._symbols:
            self._symbols[path] = Symbols(path)
        return self._symbols[path]

    def _in_archive(self, offset):
        at = bisect.bisect_right(self._places, (offset, float("inf"), "")) - 1
        if at < 0 or offset >= self._places[at][0] + self._places[at][1]:
            return "[made by the program]"
        start, _, name = self._places[at]
        path = os.path.join(self._folder, str(start))
        address = address_of_offset(path, offset - start) if os.path.exists(path) else None
        found = self._of(path).name(address) if address is not None else None
        return found or f"[{os.path.basename(name)}]"

    def name(self, address, symbol, place):
        if "memfd:narwhal-root" in place:
            return self._in_archive(address)
        if place.endswith(IMAGE.name):
            # As for the memory file, perf says the place in the file.
            linked = address_of_offset(place, address) if os.path.exists(place) else None
            debug = place.removesuffix(".elf") + ".debug"
            found = self._of(debug).name(linked) if linked is not None and os.path.exists(debug) else None
            return "narwhal`" + (found or "[kernel]").removeprefix("narwhal::")
        if place.startswith("["):
            return "host`" + symbol.partition("+")[0] if symbol != "[unknown]" else None
        return None


def folded(text, names):
    """perf script's stacks as a count for each, outermost frame first."""
    stacks = collections.Counter()
    frames = []
    for line in [*text.splitlines(), ""]:
        match = FRAME.match(line)
        if match:
            name = names.name(int(match[1], 16), match[2], match[3])
            if name:
                frames.append(name.replace(";", ":"))
        elif frames:
            stacks[tuple(reversed(frames))] += 1
            frames = []
    return stacks


COLOURS = {"narwhal": "#e8a33d", "host": "#9aa7b4", "": "#6fb07f"}


def flame_graph(stacks, title):
    """One SVG: the width of a box is its share of the samples; hovering shows a name and its share."""
    width, height, total = 1200.0, 17, sum(stacks.values())
    boxes = []

    def place(found, depth, left):
        here = collections.defaultdict(collections.Counter)
        for stack, count in found.items():
            if len(stack) > depth:
                here[stack[depth]][stack] += count
        for name in sorted(here):
            count = sum(here[name].values())
            boxes.append((depth, left, count, name))
            place(here[name], depth + 1, left)
            left += count

    place(stacks, 0, 0)
    levels = max((box[0] for box in boxes), default=0) + 1
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{levels * height + 30}" '
             'font-family="sans-serif" font-size="11">', f'<text x="4" y="14">{html.escape(title)}</text>']
    for depth, left, count, name in boxes:
        x, w = left * width / total, count * width / total
        y = (levels - depth - 1) * height + 22
        kind = name.partition("`")[0] if "`" in name else ""
        label = html.escape(name[:int(w / 6.5)]) if w > 20 else ""
        lines.append(f'<g><title>{html.escape(name)}: {count} samples, {100 * count / total:.1f} %</title>'
                     f'<rect x="{x:.1f}" y="{y}" width="{max(w - 0.4, 0.2):.1f}" height="{height - 1}" '
                     f'fill="{COLOURS.get(kind, COLOURS[""])}"/><text x="{x + 3:.1f}" y="{y + 12}">{label}</text></g>')
    return "\n".join([*lines, "</svg>", ""])


def kernel_process(parent, limit=10):
    """The guest's kernel, a child of the command."""
    end = time.monotonic() + limit
    while time.monotonic() < end and parent.poll() is None:
        try:
            children = pathlib.Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text(encoding="ascii").split()
        except OSError:
            children = []
        for child in children:
            try:
                if os.readlink(f"/proc/{child}/exe").endswith(IMAGE.name):
                    return child
            except OSError:
                pass
        time.sleep(0.001)
    return None


def save_programs(path, folder):
    """Copies the ELF files out of an archive, named by their offsets; returns the archive's members."""
    with open(path, "rb") as archive:
        found = members(archive)
        for offset, size in found.values():
            archive.seek(offset)
            if size > 64 and archive.read(4) == b"\x7fELF":
                archive.seek(offset)
                pathlib.Path(folder, str(offset)).write_bytes(archive.read(size))
    return found


def main(words):
    if len(words) < 2 or words[0].startswith("-"):
        print("usage: narwhal profile FILE.svg|FILE [OPTIONS of run] PROGRAM [ARGUMENTS...]", file=sys.stderr)
        return 125
    if shutil.which("perf") is None or os.geteuid() != 0:
        print("narwhal profile: perf (apt-get install linux-perf) and root are needed", file=sys.stderr)
        return 125
    output = pathlib.Path(words[0])
    os.environ.setdefault("NARWHAL_PROCESS_KERNEL", str(IMAGE))
    with tempfile.TemporaryDirectory() as folder:
        root, data = os.path.join(folder, "root"), os.path.join(folder, "samples")
        guest = subprocess.Popen([os.environ.get("NARWHAL", str(BUILT / "tools/narwhal/narwhal")), "run", "--platform",
                                  "process", "--keep-root", root, *words[1:]])
        process = kernel_process(guest)
        if process is None:
            return guest.wait() or 125
        perf = subprocess.Popen(["perf", "record", "-q", "-F", str(RATE), "-g", "-o", data, "-p", process],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        status = guest.wait()
        perf.wait()
        found = save_programs(root, folder)
        script = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], capture_output=True, text=True,
                                check=False)
        stacks = folded(script.stdout, Names(found, folder))
    if not stacks:
        print("narwhal profile: no samples; the program ended too soon", file=sys.stderr)
        return status
    if output.suffix == ".svg":
        output.write_text(flame_graph(stacks, " ".join(words[1:])), encoding="utf-8")
    else:
        output.write_text("".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(stacks.items())),
                          encoding="utf-8")
    print(f"narwhal profile: {sum(stacks.values())} samples in {output}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
