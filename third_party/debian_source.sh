#!/usr/bin/env bash
# debian_source.sh PACKAGE ARCHIVE SHA256: prints the path of the upstream ARCHIVE of Debian's source PACKAGE.
#
# The archive is kept in the user's cache and fetched only when it is not there. apt does the fetching, so that the
# machine's own mirrors, proxies and signing keys hold, with a configuration directory of our own: the machine's
# settings stay as they are, and no root rights are needed.
set -euo pipefail

package=$1 archive=$2 sha256=$3

cache=${XDG_CACHE_HOME:-$HOME/.cache}/narwhal/sources
mkdir -p "$cache/apt/sources" "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"

verified() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum --check --status; }

if verified "$cache/$archive"; then
  echo "$cache/$archive"
  exit 0
fi

# Bazel fetches several repositories at once; apt's directories want one at a time.
exec 9>"$cache/lock"
flock 9
if verified "$cache/$archive"; then
  echo "$cache/$archive"
  exit 0
fi

if ! command -v apt-get >/dev/null; then
  echo "The sources of $package come from Debian's archive through apt-get, which is not on this machine." >&2
  echo "Place $archive (sha256 $sha256) into $cache by hand." >&2
  exit 1
fi

# The machine's own entries, asked for sources instead of binaries: Debian's suites only, in both of apt's formats.
etc=${NARWHAL_APT_ETC:-/etc/apt}  # the test has its own
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
suites="($codename|stable|oldstable)(-updates|-security|-proposed-updates|/updates)?"
for list in "$etc/sources.list" "$etc"/sources.list.d/*.list; do
  [ -f "$list" ] || continue
  sed -nE "s#^[[:space:]]*deb(-src)?[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+)[[:space:]]+($suites)[[:space:]]#deb-src \2\3 \4 #p" "$list"
done | sort -u >"$cache/apt/sources/narwhal.list"
for list in "$etc"/sources.list.d/*.sources; do
  [ -f "$list" ] || continue
  # A stanza ends at an empty line; a comment line may stand inside it.
  grep -v '^#' "$list" | awk -v suites="$suites" '
    BEGIN { RS = ""; FS = "\n" }
    {
      debian = 0
      for (i = 1; i <= NF; ++i) {
        if ($i ~ /^Suites:/) {
          count = split($i, words, /[ \t]+/)
          for (w = 2; w <= count; ++w) if (words[w] ~ "^" suites "$") debian = 1
        }
      }
      if (!debian) next
      for (i = 1; i <= NF; ++i) print ($i ~ /^Types:/ ? "Types: deb-src" : $i)
      print ""
    }'
  echo
done >"$cache/apt/sources/narwhal.sources"
if ! grep -q . "$cache/apt/sources/narwhal.list" "$cache/apt/sources/narwhal.sources"; then
  echo "No entry for Debian $codename in $etc/sources.list or $etc/sources.list.d: cannot fetch $package." >&2
  exit 1
fi

work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

apt() {
  apt-get -q \
    -o Dir::Etc::SourceList=/dev/null \
    -o Dir::Etc::SourceParts="$cache/apt/sources" \
    -o Dir::State::Lists="$cache/apt/lists" \
    -o Dir::Cache="$cache/apt/cache" \
    -o APT::Sandbox::User= \
    -o Acquire::Retries=3 \
    "$@" >>"$work/log" 2>&1
}
fetch() { apt source --download-only --tar-only "$package" && [ -f "$archive" ]; }

if ! fetch && ! { apt update && fetch; }; then
  cat "$work/log" >&2
  echo >&2
  echo "Cannot fetch $archive (source package $package) from Debian's archive." >&2
  echo "Without a network, place it (sha256 $sha256) into $cache by hand." >&2
  exit 1
fi
if ! verified "$archive"; then
  echo "$archive was fetched, but its sha256 is not $sha256: it is not used." >&2
  exit 1
fi
mv "$archive" "$cache/$archive"
echo "$cache/$archive"
