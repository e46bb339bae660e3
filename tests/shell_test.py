#!/usr/bin/env python3
"""The shells: busybox-static, which is a whole system in one static program, and bash."""

from tests import guest

BUSYBOX = '/bin/busybox'
BASH = '/bin/bash'


class Busybox(guest.TestCase):
    def test_runs_a_script_with_pipes_functions_and_redirections(self):
        script = '''
            count() { wc -l | tr -d ' '; }
            mkdir -p /tmp/tree/branch && cd /tmp/tree
            for leaf in 3 1 2; do echo "leaf $leaf" >"branch/$leaf"; done
            cat branch/* | sort -r | sed s/leaf/Leaf/
            echo "$(ls branch | count) leaves, $((6 * 7))"
            [ -d branch ] && rm -r branch; ls
            case $(pwd) in /tmp/tree) echo here ;; esac'''
        self.assert_output(self.run_guest(BUSYBOX, 'sh', '-ec', script),
                           'Leaf 3\nLeaf 2\nLeaf 1\n3 leaves, 42\nhere\n')

    def test_lists_the_root_directory(self):
        run = self.run_guest(BUSYBOX, 'ls', '/')
        self.assertLessEqual({'dev', 'etc', 'proc', 'tmp'}, set(run.stdout.split()))
        self.assert_no_messages(run)
        self.assert_status(run, 0)

    def test_reads_its_standard_input_to_the_end(self):
        run = self.run_guest(BUSYBOX, 'sh', '-c', 'while read -r word; do echo "<$word>"; done',
                             stdin=b'one\ntwo words\n')
        self.assert_output(run, '<one>\n<two words>\n')

    def test_waits_for_its_children(self):
        script = '(exit 3) & first=$!; sh -c "kill -TERM \\$\\$" & second=$!; wait $first; echo $?; wait $second; echo $?'
        run = self.run_guest(BUSYBOX, 'sh', '-c', script)
        self.assertEqual(run.stdout, '3\n143\n')
        self.assert_status(run, 0)


class Bash(guest.TestCase):
    def test_runs_a_script_with_arrays_subprocesses_and_here_documents(self):
        script = r'''
            set -euo pipefail
            declare -A age=([anna]=31 [bert]=27)
            words=(one two three); echo "${#words[@]} ${words[@]: -1}"
            for name in $(printf '%s\n' "${!age[@]}" | /usr/bin/sort); do echo "$name is ${age[$name]}"; done
            mapfile -t lines < <(printf 'a\nb\n'); echo "${lines[*]}"
            /usr/bin/tr a-z A-Z <<<"here strings work"
            trap 'echo leaving' EXIT
            (exit 5) || echo "status $?"'''
        self.assert_output(self.run_guest(BASH, '-c', script, options=self.tools('sort', 'tr')),
                           '3 three\nanna is 31\nbert is 27\na b\nHERE STRINGS WORK\nstatus 5\nleaving\n')

    def test_passes_its_arguments_and_its_environment(self):
        run = self.run_guest(BASH, '-c', 'printf "[%s]" "$0" "$@" "$COLOUR"', 'zero', 'one two', '', '*',
                             options=['-e', 'COLOUR=dark blue'])
        self.assert_output(run, '[zero][one two][][*][dark blue]')

    def test_reports_a_missing_command(self):
        run = self.run_guest(BASH, '-c', 'no-such-command; echo $?')
        self.assertEqual(run.stdout, '127\n')
        self.assertIn('no-such-command: command not found', run.stderr)

    def test_reads_a_script_from_its_standard_input(self):
        run = self.run_guest(BASH, stdin=b'while read -r word; do echo "<$word>"; done\none\ntwo words\n')
        self.assert_output(run, '<one>\n<two words>\n')

    @staticmethod
    def tools(*names):
        return [option for name in names for option in ('--include', '/usr/bin/' + name)]


if __name__ == '__main__':
    guest.main()
