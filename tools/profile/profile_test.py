"""What profile.py makes of an archive, of perf's stacks, and of counts. The last test profiles, where perf can."""

import collections
import io
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import profile_guest as profile


def member(name, data, at):
    """As tools/pack writes it: the name is long enough for the data to begin at `at`."""
    name_size = at - 110
    header = b"070701" + b"".join(b"%08X" % field for field in [0] * 6 + [len(data)] + [0] * 4 + [name_size, 0])
    return header + name.encode().ljust(name_size, b"\0") + data


class FakeNames:
    def name(self, address, symbol, place):
        return None if symbol == "gone" else f"{place}`{symbol}" if place == "host" else symbol


class ProfileTest(unittest.TestCase):
    def test_members(self):
        archive = io.BytesIO(member("usr/bin/x", b"abcd", 4096) + member("TRAILER!!!", b"", 128))
        self.assertEqual(profile.members(archive), {"usr/bin/x": (4096, 4)})

    def test_symbols_of_a_place_in_a_file(self):
        program = os.environ["PROGRAM"]
        lines = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.splitlines()
        [main] = [int(line.split()[0], 16) for line in lines if line.endswith(" T main")]
        self.assertEqual(profile.Symbols(program).name(main + 1), "main")
        self.assertIsNone(profile.Symbols(program).name(0))
        # Text lies in the file where the first segments say.
        offsets = [offset for offset in range(0, 1 << 20, 4096) if profile.address_of_offset(program, offset)]
        self.assertEqual(profile.address_of_offset(program, offsets[0]) % 4096, 0)

    def test_stacks_are_counted_from_the_outside(self):
        text = "narwhal\n\t  12 inner (x)\n\t  34 outer (x)\n\nnarwhal\n\t 12 inner (x)\n\t 1 gone (x)\n\t 34 outer (x)\n\n"
        self.assertEqual(profile.folded(text, FakeNames()), {("outer", "inner"): 2})
        self.assertEqual(profile.folded("narwhal\n\t 1 gone (x)\n", FakeNames()), {})

    def test_a_flame_graph_is_xml_with_everything_in_it(self):
        stacks = collections.Counter({("main", "a<b>"): 3, ("main", "host`read"): 1})
        root = ElementTree.fromstring(profile.flame_graph(stacks, "x & y"))
        titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(titles, ["main: 4 samples, 100.0 %", "a<b>: 3 samples, 75.0 %", "host`read: 1 samples, 25.0 %"])
        widths = [float(box.get("width")) for box in root.iter("{http://www.w3.org/2000/svg}rect")]
        self.assertGreater(widths[0], widths[1] + widths[2])

    @unittest.skipUnless(shutil.which("perf") and os.geteuid() == 0, "perf and root are needed")
    def test_program_and_kernel_are_seen(self):
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder, "stacks")
            run = subprocess.run([os.environ["NARWHAL"], "run", "--profile", output, "--net", "none", os.environ["PROGRAM"]],
                                 capture_output=True, text=True, check=False, timeout=100)
            self.assertEqual((run.returncode, run.stdout), (0, "done\n"), run.stderr)
            text = output.read_text(encoding="utf-8")
        self.assertRegex(text, r"(?m)compute \d+$")
        self.assertIn("narwhal`", text)


if __name__ == "__main__":
    unittest.main()
