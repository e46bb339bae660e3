#!/usr/bin/env python3
"""test_report.py EVENTS STATUS: counts the test cases of one `bazel test`.

EVENTS is the file that --build_event_json_file wrote, STATUS is Bazel's exit status. Prints the names of the cases
that failed, and as the last line `N passed, N failed`, with `, N skipped` where there are any. The exit status is 0
only if something ran and nothing failed.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


class Counts:

    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failed = []


def count_cases(path, target, counts):
    """Counts the cases in one test.xml; returns False if there is no such file. A filter may leave none to count."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return False
    for case in root.iter('testcase'):
        name = '.'.join(part for part in (case.get('classname'), case.get('name')) if part)
        if case.find('failure') is not None or case.find('error') is not None:
            counts.failed.append(target if name in target else f'{target} {name}')
        elif case.get('status') == 'notrun':
            # GoogleTest lists what a name with DISABLED_ or a filter has switched off.
            continue
        elif case.find('skipped') is not None or case.get('result') == 'skipped':
            counts.skipped += 1
        else:
            counts.passed += 1
    return True


def count_result(target, result, counts):
    """Counts one run of one test target."""
    path = ''
    for output in result.get('testActionOutput', []):
        if output['name'] == 'test.xml':
            path = urllib.parse.unquote(urllib.parse.urlparse(output['uri']).path)
    failed_before = len(counts.failed)
    counted = count_cases(path, target, counts)
    if result.get('status') in ('PASSED', 'FLAKY'):
        if not counted:
            counts.passed += 1
    elif len(counts.failed) == failed_before:
        # All its cases passed, yet the program failed: a leak found at the end, a crash, a time limit.
        counts.failed.append(f'{target} ({result.get("status", "no status")})')


def read_events(lines):
    """Returns the counts of a build event stream, given as lines of JSON."""
    counts = Counts()
    results = {}
    for line in lines:
        event = json.loads(line)
        identity = event.get('id', {})
        if 'testResult' in identity and 'testResult' in event:
            key = identity['testResult']
            # A later attempt of the same run replaces an earlier one.
            results[(key['label'], key.get('run', 1), key.get('shard', 1))] = event['testResult']
        elif 'targetCompleted' in identity:
            label = identity['targetCompleted']['label']
            if event.get('aborted', {}).get('reason') == 'SKIPPED':
                continue
            if not event.get('completed', {}).get('success', False):
                counts.failed.append(f'{label} (did not build)')
        elif 'aborted' in event and 'unconfiguredLabel' in identity:
            counts.failed.append(f'{identity["unconfiguredLabel"]["label"]} (not analysed)')
    for (label, _, _), result in sorted(results.items()):
        count_result(label, result, counts)
    return counts


def main(arguments):
    path, status = arguments[1], int(arguments[2])
    with open(path, encoding='utf-8') as events:
        counts = read_events(line for line in events if line.strip())
    if status != 0 and not counts.failed:
        counts.failed.append(f'bazel test (exit status {status})')
    for name in counts.failed:
        print(f'FAILED {name}')
    line = f'{counts.passed} passed, {len(counts.failed)} failed'
    if counts.skipped:
        line += f', {counts.skipped} skipped'
    print(line)
    return 0 if counts.passed and not counts.failed else 1


if __name__ == '__main__':
    sys.exit(main(sys.argv))
