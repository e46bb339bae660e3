"""The Linux guest to compare with: Debian's cloud kernel, its virtio drivers, and our first process.

A folder for `narwhal run --linux`, made once and kept in the user's cache.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

META_PACKAGE = "linux-image-cloud-amd64"

# In the order in which they need each other.
MODULES = [
    "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci",
    "virtio_console", "failover", "net_failover", "virtio_net", "virtio_blk",
]


class Unavailable(Exception):
    """There is no Linux guest on this machine, and the text says why."""


def output_of(*command, **options):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} was not found; the Linux guest needs Debian's apt and dpkg")
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or [f"status {error.returncode}"]
        raise Unavailable(f"{' '.join(command)}: {last[0]}")


def kernel_package(dependencies):
    """The package that the meta package stands for, from what `apt-cache depends` printed."""
    for line in dependencies.splitlines():
        word, _, name = line.strip().partition(": ")
        if word == "Depends" and name.startswith("linux-image-"):
            return name
    raise Unavailable(f"apt knows no package {META_PACKAGE}; apt-get update may help")


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "narwhal" / "linux"


def module_file(folder, number, name):
    return folder / "modules" / f"{number:02}-{name}.ko"


def unpack(package_file, folder):
    """Takes the kernel and the drivers out of the package."""
    with tempfile.TemporaryDirectory() as scratch:
        output_of("dpkg-deb", "--extract", str(package_file), scratch)
        [kernel] = pathlib.Path(scratch, "boot").glob("vmlinuz-*")
        shutil.copyfile(kernel, folder / "vmlinuz")
        (folder / "modules").mkdir()
        for number, name in enumerate(MODULES):
            found = list(pathlib.Path(scratch, "lib/modules").glob(f"**/{name}.ko"))
            if not found:
                raise Unavailable(f"{package_file.name} has no driver {name}.ko")
            shutil.copyfile(found[0], module_file(folder, number, name))


def prepare(init, say):
    """Returns the folder, complete, with `init` as its first process."""
    name = kernel_package(output_of("apt-cache", "depends", META_PACKAGE))
    folder = cache_folder() / name
    # One that was made when fewer drivers were wanted is made anew.
    if not all(module_file(folder, number, name).exists() for number, name in enumerate(MODULES)):
        shutil.rmtree(folder, ignore_errors=True)
        say(f"fetching {name} (once, about 27 MB)")
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Complete or not there at all, whatever interrupts this.
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            output_of("apt-get", "download", name, cwd=scratch)
            [package_file] = pathlib.Path(scratch).glob("*.deb")
            made = pathlib.Path(scratch, "made")
            made.mkdir()
            unpack(package_file, made)
            made.rename(folder)
    fresh = folder / "init.new"
    shutil.copyfile(init, fresh)
    fresh.rename(folder / "init")
    return folder
