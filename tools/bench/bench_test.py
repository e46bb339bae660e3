"""What bench.py makes of others' output, and how it compares. Nothing here measures anything."""

import os
import unittest
import unittest.mock

import bench
import linux_guest
import places


class ParsingTest(unittest.TestCase):
    def test_rows(self):
        self.assertEqual(bench.parse_rows("null_syscall 12.5\nnoise\nstat 100\nname value\n\n"),
                         {"null_syscall": 12.5, "stat": 100.0})

    def test_complaints(self):
        text = "narwhal: root: 1 KiB\nnarwhal: times in ms: program -1\nnarwhal: the kernel panicked: x\nadvice\n"
        self.assertEqual(bench.first_complaint(text), "narwhal: the kernel panicked: x")
        self.assertEqual(bench.first_complaint(""), "no message")

    def test_requests(self):
        text = "SET: rps=0.0\rSET: 5123.4 requests per second, p50=9.1 msec\n\nGET: 6000.00 requests per second\n"
        self.assertEqual(bench.parse_requests(text), {"SET": 5123.4, "GET": 6000.0})

    def test_kernel_package(self):
        text = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-1-cloud-amd64\n  Suggests: x\n"
        self.assertEqual(linux_guest.kernel_package(text), "linux-image-6.1.0-1-cloud-amd64")
        with self.assertRaises(linux_guest.Unavailable):
            linux_guest.kernel_package("")


class LeastTest(unittest.TestCase):
    def test_finds_the_threshold(self):
        for threshold in range(2, 65):
            asked = []

            def works(value):
                asked.append(value)
                return value >= threshold

            self.assertEqual(bench.least(works, 2, 64), threshold)
            self.assertLess(len(asked), 9)

    def test_nothing_works(self):
        self.assertIsNone(bench.least(lambda value: False, 2, 64))


class TableTest(unittest.TestCase):
    def test_keeps_the_best(self):
        table = bench.Table()
        for value in (30.0, 20.0, 25.0):
            table.add("call", "ns", "vm", value)
            table.add("load", "requests/s", "vm", value, more_is_better=True)
        self.assertEqual(table.rows["call"]["values"]["vm"], 20)
        self.assertEqual(table.rows["load"]["values"]["vm"], 30)

    def test_compares_both_ways(self):
        table = bench.Table()
        for guest, value in (("vm", 50.0), ("linux", 100.0), ("process", 30.0), ("native", 10.0)):
            table.add("call", "ns", guest, value)
            table.add("load", "requests/s", guest, value, more_is_better=True)
        table.add("alone", "ns", "vm", 1.0)
        lines = [line.split() for line in table.lines(["vm", "linux", "process", "native"])]
        self.assertEqual(lines[1], ["call", "50.0", "100.0", "30.0", "10.0", "ns", "0.33", "2.00"])
        self.assertEqual(lines[2][-2:], ["3.00", "0.50"])
        self.assertEqual(lines[3], ["alone", "1.0", "-", "-", "-", "ns", "-", "-"])

    def test_names_what_was_aimed_at(self):
        table = bench.Table()
        table.add("null_syscall", "ns", "native", 100.0)
        table.add("null_syscall", "ns", "process", 25.0)
        table.add("resident memory, hello", "MiB", "process", 6.1)
        table.add("page_fault", "ns", "process", 100.0)
        for guest, value in (("native", 100.0), ("process", 80.0), ("gvisor", 9.0)):
            table.add("nginx, 32 connections", "requests/s", guest, value, more_is_better=True)
        lines = list(table.lines(["native", "process", "gvisor"]))
        self.assertTrue(lines[1].endswith("4 times native: reached"), lines[1])
        self.assertTrue(lines[2].endswith("at most 6: MISSED"), lines[2])
        self.assertTrue(lines[3].endswith("-"), lines[3])
        self.assertTrue(lines[4].endswith("0.7 times native: reached, 10 times gvisor: MISSED"), lines[4])


class PlacesTest(unittest.TestCase):
    def place(self, name, is_there=False):
        options = bench.parse_options([])
        network = places.Network()
        network.is_there = is_there
        return places.Place(name, "/narwhal", options, network, "/linux")

    def test_every_place_says_where_it_is(self):
        command = {name: self.place(name).command(["/bin/true"]) for name in places.ALL}
        self.assertEqual(command["native"], [os.path.realpath("/bin/true")])
        self.assertEqual(command["process"][:6], ["/narwhal", "run", "--platform", "process", "--net", "none"])
        self.assertIn("microvm", command["vm"])
        self.assertIn("--linux", command["linux"])
        self.assertIn("--platform=ptrace", command["gvisor"])

    def test_servers_are_behind_a_network_or_forwarded(self):
        command, address = self.place("process").server(["server"], 80)
        self.assertIn(f"{address[1]}:80", command)
        self.assertFalse(self.place("native").can_serve())
        command, address = self.place("vm", True).server(["server"], 80)
        self.assertIn("tap:nwbench", command)
        self.assertEqual(address, ("10.77.1.2", 80))
        command, address = self.place("native", True).server(["server"], 80)
        self.assertEqual(command[:4], ["ip", "netns", "exec", "nwbench"])

    def test_memory_of_this_process(self):
        self.assertGreater(places.resident_of_all(os.getpid(), False), 1)

    def test_memory_files_count_though_nobody_maps_them(self):
        before = places.held_by_all(os.getpid(), False)
        file = os.memfd_create("held")
        try:
            os.write(file, bytes(64 << 20))
            self.assertGreater(places.held_by_all(os.getpid(), False), before + 32)
            self.assertLess(places.resident_of_all(os.getpid(), False), before + 32)
            # Some other descriptor goes away while they are looked at.
            links = [OSError(2, "gone"), *(os.readlink(f"/proc/self/fd/{file}") for _ in range(999))]
            with unittest.mock.patch("os.readlink", side_effect=links):
                self.assertNotEqual(places.memory_files(os.getpid()), {})
        finally:
            os.close(file)


class OptionsTest(unittest.TestCase):
    def test_defaults(self):
        self.assertEqual(bench.parse_options([]).rows, list(bench.Bench.MEASUREMENTS))
        self.assertEqual(bench.parse_options([]).guests, places.ALL)
        self.assertEqual(bench.parse_options(["--icount"]).rows, ["calls"])
        self.assertEqual(bench.parse_options(["--icount"]).guests, ["vm", "linux"])
        self.assertEqual(bench.parse_options(["boot", "--rounds", "1", "calls"]).rows, ["boot", "calls"])


if __name__ == "__main__":
    unittest.main()
