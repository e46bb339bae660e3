"""What bench.py makes of others' output, and how it compares. Nothing here measures anything."""

import unittest

import bench
import linux_guest


class ParsingTest(unittest.TestCase):
    def test_rows(self):
        self.assertEqual(bench.parse_rows("null_syscall 12.5\nnoise\nstat 100\nname value\n\n"),
                         {"null_syscall": 12.5, "stat": 100.0})

    def test_times(self):
        text = "narwhal: kernel: x\nnarwhal: times in ms: program 10.5, output 11.0, end 20.2\n"
        self.assertEqual(bench.parse_times(text), {"program": 10.5, "output": 11.0, "end": 20.2})
        self.assertEqual(bench.parse_times("times in ms: program -1.0, output -1.0, end 3.0")["output"], -1)
        self.assertIsNone(bench.parse_times("nothing"))

    def test_complaints(self):
        text = "narwhal: root: 1 KiB\nnarwhal: times in ms: program -1\nnarwhal: the kernel panicked: x\nadvice\n"
        self.assertEqual(bench.first_complaint(text), "narwhal: the kernel panicked: x")
        self.assertEqual(bench.first_complaint(""), "no message")

    def test_redis(self):
        text = "SET: rps=0.0\rSET: 5123.4 requests per second, p50=9.1 msec\n\nGET: 6000.00 requests per second\n"
        self.assertEqual(bench.parse_redis(text), {"SET": 5123.4, "GET": 6000.0})

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
            table.add("call", "ns", "narwhal", value)
            table.add("load", "requests/s", "narwhal", value, more_is_better=True)
        self.assertEqual(table.rows["call"]["values"]["narwhal"], 20)
        self.assertEqual(table.rows["load"]["values"]["narwhal"], 30)

    def test_compares_both_ways(self):
        table = bench.Table()
        for guest, value in (("narwhal", 50.0), ("linux", 100.0)):
            table.add("call", "ns", guest, value)
            table.add("load", "requests/s", guest, value, more_is_better=True)
        table.add("alone", "ns", "narwhal", 1.0)
        lines = list(table.lines())
        self.assertIn("2.00 times as good", lines[1])
        self.assertIn("0.50 times as good", lines[2])
        self.assertNotIn("times", lines[3])
        self.assertIn("-", lines[3])


class OptionsTest(unittest.TestCase):
    def test_defaults(self):
        self.assertEqual(bench.parse_options([]).rows, list(bench.Bench.MEASUREMENTS))
        self.assertEqual(bench.parse_options(["--icount"]).rows, ["calls"])
        self.assertEqual(bench.parse_options(["boot", "--rounds", "1", "calls"]).rows, ["boot", "calls"])


if __name__ == "__main__":
    unittest.main()
