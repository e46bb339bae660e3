#!/usr/bin/env python3
"""Holds test_report.py against event streams as Bazel writes them."""

import json
import os
import tempfile
import unittest

import test_report

GOOGLETEST_XML = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5" failures="1" disabled="1" errors="0" time="0" name="AllTests">
  <testsuite name="Suite" tests="5" failures="1" disabled="1" skipped="1" errors="0" time="0">
    <testcase name="Good" status="run" result="completed" classname="Suite" />
    <testcase name="Bad" status="run" result="completed" classname="Suite">
      <failure message="one" type=""><![CDATA[<testcase name="not one"/>]]></failure>
      <failure message="two" type=""></failure>
    </testcase>
    <testcase name="Skipped" status="run" result="skipped" classname="Suite">
      <skipped message="no such file" />
    </testcase>
    <testcase name="DISABLED_Off" status="notrun" result="suppressed" classname="Suite" />
    <testcase name="AlsoGood" status="run" result="completed" classname="Suite" />
  </testsuite>
</testsuites>
"""

ALL_GOOD_XML = """<testsuites><testsuite name="Suite" tests="2">
  <testcase name="One" status="run" result="completed" classname="Suite" />
  <testcase name="Two" status="run" result="completed" classname="Suite" />
</testsuite></testsuites>"""

SCRIPT_FAILED_XML = """<testsuites><testsuite name="a/b_test" tests="1" failures="0" errors="1">
  <testcase name="a/b_test" status="run" duration="0" time="0"><error message="exited with error code 1"></error>
  </testcase><system-out></system-out></testsuite></testsuites>"""


class TestReportTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.folder.cleanup()

    def result(self, label, status, xml=None, attempt=1):
        outputs = []
        if xml is not None:
            # A blank in the path is %20 in the address.
            path = os.path.join(self.folder.name, label.replace('/', '_') + f' {attempt}.xml')
            with open(path, 'w', encoding='utf-8') as file:
                file.write(xml)
            outputs.append({'name': 'test.xml', 'uri': 'file://' + path.replace(' ', '%20')})
        return json.dumps({
            'id': {'testResult': {'label': label, 'run': 1, 'shard': 1, 'attempt': attempt}},
            'testResult': {'testActionOutput': outputs, 'status': status},
        })

    def test_each_googletest_case_counts_once(self):
        counts = test_report.read_events([self.result('//a:b_test', 'FAILED', GOOGLETEST_XML)])
        self.assertEqual((counts.passed, counts.skipped), (2, 1))
        self.assertEqual(counts.failed, ['//a:b_test Suite.Bad'])

    def test_a_target_that_fails_after_its_cases_passed_is_a_failure(self):
        counts = test_report.read_events([self.result('//a:b_test', 'FAILED', ALL_GOOD_XML)])
        self.assertEqual(counts.passed, 2)
        self.assertEqual(counts.failed, ['//a:b_test (FAILED)'])

    def test_targets_without_cases_count_as_one(self):
        counts = test_report.read_events([
            self.result('//a:c_test', 'PASSED'),
            self.result('//a:d_test', 'TIMEOUT'),
            self.result('//a:b_test', 'FAILED', SCRIPT_FAILED_XML),
        ])
        self.assertEqual(counts.passed, 1)
        self.assertEqual(len(counts.failed), 2)

    def test_a_target_whose_cases_are_all_filtered_out_counts_nothing(self):
        counts = test_report.read_events([self.result('//a:b_test', 'PASSED', '<testsuites tests="0"/>')])
        self.assertEqual((counts.passed, counts.failed), (0, []))

    def test_a_later_attempt_replaces_an_earlier_one(self):
        counts = test_report.read_events([
            self.result('//a:b_test', 'FAILED', SCRIPT_FAILED_XML, attempt=1),
            self.result('//a:b_test', 'PASSED', ALL_GOOD_XML, attempt=2),
        ])
        self.assertEqual((counts.passed, counts.failed), (2, []))

    def test_what_does_not_build_is_a_failure_and_what_is_for_another_machine_is_not(self):
        counts = test_report.read_events([
            json.dumps({'id': {'targetCompleted': {'label': '//a:broken'}}, 'completed': {}}),
            json.dumps({'id': {'targetCompleted': {'label': '//a:good'}}, 'completed': {'success': True}}),
            json.dumps({'id': {'targetCompleted': {'label': '//a:kernel'}}, 'aborted': {'reason': 'SKIPPED'}}),
        ])
        self.assertEqual(counts.failed, ['//a:broken (did not build)'])

    def run_main(self, lines, status):
        path = os.path.join(self.folder.name, 'events')
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(lines))
        return test_report.main(['test_report.py', path, str(status)])

    def test_nothing_run_is_a_failure(self):
        self.assertEqual(self.run_main([], 0), 1)
        self.assertEqual(self.run_main([], 4), 1)

    def test_bazels_own_failure_is_a_failure(self):
        good = self.result('//a:b_test', 'PASSED', ALL_GOOD_XML)
        self.assertEqual(self.run_main([good], 0), 0)
        self.assertEqual(self.run_main([good], 1), 1)


if __name__ == '__main__':
    unittest.main()
