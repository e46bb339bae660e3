#!/usr/bin/env bash
# What the set-up says and does on machines that are not ready, with stand-ins for Debian's tools.
set -u
source_root=$PWD
home=$(mktemp -d "${TEST_TMPDIR:-/tmp}/setup.XXXXXX")
mkdir -p "$home/bin" "$home/checkout/tools/setup" "$home/checkout/third_party"
cp tools/setup/setup.sh tools/setup/packages.txt "$home/checkout/tools/setup/"
printf 'debian_source(\n    name = "thing",\n)\n' >"$home/checkout/WORKSPACE"
: >"$home/checkout/third_party/debian_source.sh"
: >"$home/installed"
: >"$home/calls"

# Only these programs exist on the machine that the test makes up.
for program in bash sed grep cat tail mkdir sha256sum cut wc dirname env rm install; do
  ln -s "$(command -v "$program")" "$home/bin/$program"
done
fake() { printf '#!%s/bin/bash\n%s\n' "$home" "$2" >"$home/bin/$1" && chmod +x "$home/bin/$1"; }
fake dpkg-query "grep -qx \"\${!#}\" $home/installed && echo installed"
# shellcheck disable=SC2016  # the stand-in expands it
fake apt-get "echo \"\$*\" >>$home/calls; [ ! -e $home/no_network ] || exit 100
case \" \$* \" in *' install '*) sed -e 's/#.*//' -e '/^\$/d' $home/checkout/tools/setup/packages.txt >$home/installed ;; esac"
fake bazel "echo bazel \"\$*\" >>$home/calls"
for program in clang-19 ld.lld-19 llvm-objcopy-19 qemu-system-x86_64; do fake "$program" "exit 0"; done
user() { fake id "echo $1"; }

set_up() {
  env -i PATH="$home/bin" HOME="$home" bash -c 'set -euo pipefail; root=$HOME/checkout; . "$root/tools/setup/setup.sh"
    # The machine that the test runs on has its own policy and services, which are none of our business here.
    setup_services=""
    setup_main' >"$home/output" 2>&1 </dev/null
}
failures=0
expect() {
  local what=$1
  shift
  if ! "$@"; then
    echo "failed: $what"
    cat "$home/output"
    failures=1
  fi
}
expect_not() {
  local what=$1
  shift
  if "$@"; then
    echo "failed: $what"
    cat "$home/output"
    failures=1
  fi
}

user 1000
expect_not "without root rights and sudo it cannot install" set_up
expect "and names the command that can" grep -q "apt-get install .*bazel-bootstrap" "$home/output"

fake sudo '[ "$1" = -n ] && [ "$2" = true ] && exit 1; exit 1'
expect_not "without a terminal sudo cannot ask for a password" set_up
expect "and the command stands there" grep -q "sudo apt-get install .*bazel-bootstrap" "$home/output"
rm "$home/bin/sudo"

if [ -e /usr/sbin/policy-rc.d ]; then
  # As root the set-up would put its own policy there where there is none, which a test must not do.
  user 0
  touch "$home/no_network"
  expect_not "without a network it fails" set_up
  expect "and asks about the network" grep -q "Is there a network" "$home/output"
  rm "$home/no_network"

  expect "with one it installs" set_up
  expect "the packages" grep -q "install .*qemu-system-x86" "$home/calls"
  expect "and fetches the sources" grep -q "bazel fetch @thing//..." "$home/calls"

  : >"$home/calls"
  expect "a second time" set_up
  expect_not "nothing is left to do" test -s "$home/calls"
  expect_not "and nothing is said" test -s "$home/output"

  rm "$home/bin/clang-19"
  expect "a program that went away is noticed" set_up
  expect "and the packages are looked at again" grep -q "Debian packages" "$home/output"
fi

rm "$home/bin/dpkg-query" "$home/checkout/WORKSPACE"
: >"$home/checkout/WORKSPACE"
expect_not "another system is refused" set_up
expect "with a reason" grep -q "Use a Debian 12 machine or container" "$home/output"
cd "$source_root" && exit "$failures"
