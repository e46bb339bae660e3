#!/usr/bin/env bash
# debian_source.sh against an apt-get of our own, which serves whatever the test puts into `served`.
set -u
script=$PWD/third_party/debian_source.sh
home=$(mktemp -d "${TEST_TMPDIR:-/tmp}/debian_source.XXXXXX")
cd "$home" || exit 1
mkdir -p bin etc/sources.list.d cache
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
cat >bin/apt-get <<'END'
#!/usr/bin/env bash
echo "$@" >>"$TEST_HOME/calls"
case " $* " in
  *" update "*) ;;
  *) [ -f "$TEST_HOME/served" ] && cp "$TEST_HOME/served" thing_1.orig.tar.gz ;;
esac
END
chmod +x bin/apt-get
export TEST_HOME=$home XDG_CACHE_HOME=$home/cache NARWHAL_APT_ETC=$home/etc PATH=$home/bin:$PATH
echo right >right
sum=$(sha256sum right | cut -d' ' -f1)
cached=$home/cache/narwhal/sources/thing_1.orig.tar.gz
failures=0

fetch() { "$script" thing thing_1.orig.tar.gz "$sum" >output 2>errors; }
expect() {
  local what=$1
  shift
  if ! "$@"; then
    echo "failed: $what"
    cat output errors
    failures=1
  fi
}
expect_not() {
  local what=$1
  shift
  if "$@"; then
    echo "failed: $what"
    cat output errors
    failures=1
  fi
}

expect_not "without a Debian entry there is nothing to fetch from" fetch
expect "and the message says so" grep -q "No entry for Debian $codename" errors

printf '# deb http://comment.invalid %s main\ndeb [arch=amd64] http://one.invalid/debian %s main contrib\ndeb http://other.invalid/x otherdist main\n' \
  "$codename" "$codename" >etc/sources.list
printf '# comment\nTypes: deb\nURIs: http://two.invalid/debian\n# inside\nSuites: %s %s-updates\nComponents: main\nSigned-By: /k\n\nTypes: deb\nURIs: http://other.invalid\nSuites: nodistro\nComponents: main\n' \
  "$codename" "$codename" >etc/sources.list.d/debian.sources

cp right served
expect "a right archive is taken" fetch
expect "and its path printed" grep -qx "$cached" output
made=$home/cache/narwhal/sources/apt/sources
expect "one-line entries ask for sources" \
  grep -qx "deb-src \[arch=amd64\] http://one.invalid/debian $codename main contrib" "$made/narwhal.list"
expect "stanzas ask for sources" grep -qx "Types: deb-src" "$made/narwhal.sources"
expect "stanzas keep their keys" grep -qx "Signed-By: /k" "$made/narwhal.sources"
expect_not "other distributions' entries stay out" grep -rq other.invalid "$made"
expect_not "comments stay out" grep -rq comment.invalid "$made"

: >calls
expect "an archive in the cache is taken" fetch
expect_not "without asking apt" test -s calls

echo damaged >"$cached"
expect "a damaged one is fetched again" fetch
expect "and replaced" cmp -s right "$cached"

rm "$cached"
echo wrong >served
expect_not "an archive with another checksum is refused" fetch
expect "with a reason" grep -q "its sha256 is not $sum" errors
expect_not "and does not reach the cache" test -e "$cached"

rm served
: >calls
expect_not "without a network it fails" fetch
expect "after it has asked for new lists" grep -q update calls
expect "and says what can be done by hand" grep -q "place it (sha256 $sum)" errors
exit "$failures"
