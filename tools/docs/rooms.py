#!/usr/bin/env python3
"""Draws docs/rooms.svg: the rooms of the kernel, what is above and below them, and arrows that only go down."""

import sys

WIDTH = 980
LEFT = 150  # where boxes begin; to the left of them stand the rows' names
GAP = 12
LINE = 16

PROGRAM = "the program, as Debian ships it"

# (name of the row, colour, boxes); a box is (its name, what is in it, its share of the width).
ROWS = [
    ("the host", "#f3e9d8", [
        ("tools/narwhal", "the command: checks, machine, session", 3),
        ("tools/pack", "the root file system, as an archive", 3),
        ("tools/elf", "libraries, as ld.so does", 2),
    ]),
    ("init; the program", "#dbe7f5", [
        ("kernel/init", "brings everything up in order, starts the first process, tells its end", 2),
        (PROGRAM, "ring 3, the lower half of the address space, with its ld.so, libc and the vDSO", 2),
    ]),
    ("syscalls", "#dbe7f5", [
        ("syscalls", "table.def: one row a number; dispatch, decoding, tracing; one file of handlers a family", 1),
    ]),
    ("process", "#dbe7f5", [
        ("process", "tasks, signals, futexes, descriptors", 3),
        ("process/proc", "/proc/PID", 1),
        ("loader", "ELF, #!, first stack, vDSO", 2),
    ]),
    ("fs, net, drivers", "#dbe7f5", [
        ("fs/*", "tmpfs archive p9 dev proc sys tty pipe mqueue epoll eventfd timerfd inotify loop aio", 4),
        ("net/*", "inet unix netlink lwip", 2),
        ("ipc", "System V", 1),
        ("kernel/drivers", "virtio pci uart", 2),
    ]),
    ("core", "#dbe7f5", [
        ("fs/core", "File, Inode, Dentry, paths, mounts, locks", 2),
        ("net/core", "Socket, families, addresses", 1),
    ]),
    ("mm", "#dbe7f5", [
        ("kernel/mm", "frames, heap, address spaces", 6),
        ("kernel/sched", "threads, waits, timers", 6),
        ("kernel/sync", "locks, ranks", 4),
        ("random, uts", "numbers, names", 4),
        ("platform/vm", "the first home", 5),
    ]),
    ("base", "#dbe7f5", [
        ("kernel/platform", "what we need of a machine", 6),
        ("kernel/base", "Result, containers, text", 6),
        ("kernel/abi", "Linux's structs", 4),
        ("kernel/arch", "x86-64", 4),
    ]),
    ("the machine", "#e6e6e6", [
        ("QEMU, microvm or q35", "under KVM or software emulation: virtio-net, virtio-console, serial port, local APIC, PVH", 1),
    ]),
]

# The arrows below a row: where they start, as a share of the width, and what goes along.
ARROWS = {
    "the host": [(0.25, "an archive and settings: the boot contract")],
    "init; the program": [(0.25, "makes the parts known, loads"), (0.75, "syscall, page fault, exception")],
    "base": [(0.5, "ports, rings in shared memory, interrupts")],
}


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def wrapped(text, width):
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = (line + " " + word).strip()
    return lines + [line] if line else lines


def main():
    out = []
    y = 20
    for name, colour, boxes in ROWS:
        room = WIDTH - LEFT - GAP * (len(boxes) - 1) - 20
        shares = sum(share for _, _, share in boxes)
        texts = [wrapped(what, int(room * share / shares / 6.6)) for _, what, share in boxes]
        height = 30 + LINE * max(len(lines) for lines in texts)
        out.append(f'<text x="20" y="{y + height / 2 + 5:.0f}" class="row">{escape(name)}</text>')
        x = LEFT
        for (title, _, share), lines in zip(boxes, texts):
            width = room * share / shares
            fill = "#fff" if title == PROGRAM else colour
            out.append(f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{height}" rx="4" fill="{fill}"/>')
            out.append(f'<text x="{x + 10:.0f}" y="{y + 20}" class="title">{escape(title)}</text>')
            for number, line in enumerate(lines):
                out.append(f'<text x="{x + 10:.0f}" y="{y + 20 + LINE * (number + 1)}">{escape(line)}</text>')
            x += width + GAP
        y += height
        if name != ROWS[-1][0]:
            for share, label in ARROWS.get(name, [(0.5, "")]):
                x = LEFT + (WIDTH - LEFT - 20) * share
                out.append(f'<path d="M{x:.0f} {y + 2} v18" class="arrow"/>')
                if label:
                    out.append(f'<text x="{x + 12:.0f}" y="{y + 17}" class="label">{escape(label)}</text>')
            y += 26
    style = (
        "text{font:12px sans-serif;fill:#333}.title{font:bold 13px sans-serif;fill:#000}"
        ".row{font:italic 13px sans-serif;fill:#555}.label{font:11px sans-serif;fill:#666}"
        "rect{stroke:#445;stroke-width:1}.arrow{stroke:#445;stroke-width:2;fill:none;marker-end:url(#head)}"
    )
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 20}" viewBox="0 0 {WIDTH} {y + 20}">')
    print("<title>The rooms of Narwhal; each uses its own row and those below it</title>")
    print(f"<style>{style}</style>")
    print('<defs><marker id="head" markerWidth="8" markerHeight="8" refX="4" refY="4" orient="auto">'
          '<path d="M0 0 L8 4 L0 8 z" fill="#445"/></marker></defs>')
    print(f'<rect x="0" y="0" width="{WIDTH}" height="{y + 20}" fill="#fff" style="stroke:none"/>')
    print("\n".join(out))
    print("</svg>")


if __name__ == "__main__":
    sys.exit(main())
