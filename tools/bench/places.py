"""Where the programs of a bench run: on this machine itself, in Narwhal's two homes, in a Linux guest, in gVisor.

A place turns a program into a command line, and says under which address a server there is reached.
"""

import os
import shutil
import socket
import subprocess

# Everything that is made here has this name, and is gone afterwards.
NAME = "nwbench"
TAP_HOST, TAP_GUEST = "10.77.1.1", "10.77.1.2"
VETH_HOST, VETH_GUEST = "10.77.2.1", "10.77.2.2"

ALL = ["native", "process", "vm", "linux", "gvisor"]


class Network:
    """A TAP device for guests, and a network namespace behind a veth pair for what runs on this machine's own kernel.

    Only root can make them. Without, guests have their user networks, and nothing else serves.
    """

    def __init__(self):
        self.is_there = False

    @staticmethod
    def _ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def make(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun") or shutil.which("ip") is None:
            return
        self.remove()
        self.is_there = True
        try:
            self._ip("tuntap", "add", NAME, "mode", "tap", "vnet_hdr")
            self._ip("address", "add", f"{TAP_HOST}/24", "dev", NAME)
            self._ip("link", "set", NAME, "up")
            self._ip("netns", "add", NAME)
            self._ip("link", "add", f"{NAME}0", "type", "veth", "peer", "name", "eth0", "netns", NAME)
            self._ip("address", "add", f"{VETH_HOST}/24", "dev", f"{NAME}0")
            self._ip("link", "set", f"{NAME}0", "up")
            self._ip("-n", NAME, "address", "add", f"{VETH_GUEST}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                self._ip("-n", NAME, "link", "set", device, "up")
        except (OSError, subprocess.CalledProcessError):
            self.remove()

    def remove(self):
        self.is_there = False
        for words in (["link", "del", NAME], ["link", "del", f"{NAME}0"], ["netns", "del", NAME]):
            subprocess.run(["ip", *words], check=False, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Place:
    """One of ALL. `narwhal`: the command; `options`: what bench was told."""

    def __init__(self, name, narwhal, options, network, linux_folder):
        self.name = name
        self.is_guest = name in ("process", "vm", "linux")
        self._narwhal = str(narwhal)
        self._options = options
        self._network = network
        self._linux_folder = linux_folder

    def _guest(self, program, words):
        command = [self._narwhal, "run", "--platform", "process" if self.name == "process" else "vm"]
        if self.name != "process":
            command += ["--machine", self._options.machine, "--accel", self._options.accel]
            command += ["--icount"] if self._options.icount else []
        if self.name == "linux":
            command += ["--linux", str(self._linux_folder)]
        return command + list(words) + ["--"] + program

    @staticmethod
    def _gvisor(program, network):
        # ptrace needs neither hardware nor rights.
        return ["runsc", "--platform=ptrace", f"--network={network}",
                *([] if network == "none" else ["--rootless", "--ignore-cgroups"]), "do"] + program

    def command(self, program, *guest_options):
        """A program that needs no network."""
        program = [os.path.realpath(program[0]) if "/" in str(program[0]) else program[0], *map(str, program[1:])]
        if self.is_guest:
            return self._guest(program, ("--net", "none", *guest_options))
        return self._gvisor(program, "none") if self.name == "gvisor" else program

    def can_serve(self):
        return self.is_guest or self._network.is_there

    def server(self, program, port, *guest_options):
        """Returns the command of a server that listens on `port`, and where a client finds it."""
        if self.is_guest and self._network.is_there:
            network = ("--net", f"tap:{NAME}", "--ip", f"{TAP_GUEST}/24,{TAP_HOST}")
            return self._guest(program, (*network, *guest_options)), (TAP_GUEST, port)
        if self.is_guest:
            outside = free_port()
            return self._guest(program, ("-p", f"{outside}:{port}", *guest_options)), ("127.0.0.1", outside)
        # Its files of /run and its logs are its own.
        apart = ["ip", "netns", "exec", NAME, "unshare", "--mount", "sh", "-c",
                 'for at in /run /var/log/nginx /tmp; do [ ! -d $at ] || mount -t tmpfs none $at; done; exec "$@"', "sh"]
        return apart + (program if self.name == "native" else self._gvisor(program, "host")), (VETH_GUEST, port)


def descendants(pid):
    """Process numbers below `pid`, the nearest first."""
    found = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
        except OSError:
            continue
    return found + [below for child in found for below in descendants(child)]


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return ""


def resident(pid, field="Pss"):
    """MiB of a process; what several share counts in parts (Pss)."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            for line in file:
                if line.startswith(f"{field}:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def memory_files(pid):
    """The memory files (memfd_create(2)) that a process has open: inode -> MiB in it, whether mapped or not."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return {}
    found = {}
    for name in names:
        at = f"/proc/{pid}/fd/{name}"
        try:
            if os.readlink(at).startswith("/memfd:"):
                status = os.stat(at)
                found[status.st_ino] = status.st_blocks * 512 / (1 << 20)
        except OSError:
            pass  # closed meanwhile
    return found


HELPERS = {"passt", "passt.avx2", "ip", "unshare", "sh"}


def processes_of(pid, is_guest):
    """Everything that a command started: program, kernel, machine; without what starts and serves them: the command
    itself, where there is a guest, and the other end of its network."""
    everything = descendants(pid) if is_guest else [pid, *descendants(pid)]
    return [each for each in everything if name_of(each) not in HELPERS]


def resident_of_all(pid, is_guest):
    """MiB."""
    return sum(resident(each) for each in processes_of(pid, is_guest))


def held_by_all(pid, is_guest):
    """MiB, with all that is in memory files: what nobody has mapped just now counts, too."""
    everything = processes_of(pid, is_guest)
    files = {inode: size for each in everything for inode, size in memory_files(each).items()}
    return sum(resident(each) - resident(each, "Pss_Shmem") for each in everything) + sum(files.values())
