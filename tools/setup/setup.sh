# Sourced by ./narwhal: makes a machine ready to build, run and test. Wants `root`, the repository's folder.
#
# Everything here may run any number of times. A stamp in the user's cache, named after a hash of what the set-up
# depends on, makes the second time cost nothing.

setup_cache=${XDG_CACHE_HOME:-$HOME/.cache}/narwhal

setup_fail() {
  printf 'narwhal: %s\n' "$@" >&2
  exit 1
}

# One line a step: "[1/3] what: how it went".
setup_step() { printf '[%s/2] %s: ' "$1" "$2" >&2; }
setup_done() { printf '%s\n' "$1" >&2; }

setup_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$root/tools/setup/packages.txt"; }

setup_missing_packages() {
  setup_packages | while read -r package; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
    [ "$status" = installed ] || echo "$package"
  done
}

# Debian starts a server when its package is installed. Ours are for tests, which start their own: while we install,
# policy-rc.d forbids any start, and what came with the packages is not left enabled for the next boot either.
setup_services="memcached nginx postgresql redis-server"

setup_install() {
  local log=$setup_cache/setup.log sudo=() guard="" new_services="" service package
  local -a packages=("$@")

  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      setup_done "not possible"
      setup_fail "Installing packages needs root rights, and there is no sudo here. As root, run:" \
        "  apt-get install ${packages[*]}" "and then this command again."
    fi
    if ! sudo -n true 2>/dev/null; then
      if [ ! -t 0 ]; then
        setup_done "not possible"
        setup_fail "Installing packages needs root rights, and sudo wants a password. Run:" \
          "  sudo apt-get install ${packages[*]}" "and then this command again."
      fi
      setup_done "sudo asks first"
      sudo -v || setup_fail "Without root rights the packages cannot be installed: ${packages[*]}"
    fi
    sudo=(sudo -n)
  fi

  for service in $setup_services; do
    case " ${packages[*]} " in *" $service "*) new_services="$new_services $service" ;; esac
  done
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    guard=/usr/sbin/policy-rc.d
    # shellcheck disable=SC2064  # expand now
    trap "${sudo[*]} rm -f $guard" EXIT
    printf '#!/bin/sh\n# Narwhal'\''s set-up, while it installs: start nothing.\nexit 101\n' |
      "${sudo[@]}" install -m 755 /dev/stdin "$guard"
  fi

  setup_apt() {
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
      -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1
  }
  : >"$log"
  if ! { setup_apt update && setup_apt install --no-install-recommends "${packages[@]}"; }; then
    setup_done "failed"
    tail -n 15 "$log" >&2
    setup_fail "apt-get could not install: ${packages[*]}" \
      "Is there a network, and does /etc/apt name a mirror of Debian 12? The whole log: $log"
  fi

  if [ -n "$guard" ]; then
    "${sudo[@]}" rm -f "$guard"
    trap - EXIT
  fi
  for service in $new_services; do
    if [ -d /run/systemd/system ]; then
      "${sudo[@]}" systemctl --quiet disable --now "$service" >>"$log" 2>&1 || true
    elif [ -x "/etc/init.d/$service" ]; then
      "${sudo[@]}" "/etc/init.d/$service" stop >>"$log" 2>&1 || true
    fi
  done
}

setup_install_packages() {
  local -a missing
  local count
  count=$(setup_packages | wc -l)
  setup_step 1 "Debian packages"
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    setup_done "this is not Debian"
    setup_fail "The set-up installs Debian 12 packages (tools/setup/packages.txt). Use a Debian 12 machine or container."
  fi
  mapfile -t missing < <(setup_missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    setup_done "all $count are installed"
    return
  fi
  if ! (. /etc/os-release && [ "${ID:-}" = debian ] && [ "${VERSION_ID:-}" = 12 ]); then
    setup_done "this is not Debian 12, but $(. /etc/os-release && echo "${PRETTY_NAME:-another system}")"
    setup_fail "These packages are missing, and only Debian 12's versions are known to work: ${missing[*]}" \
      "Use a Debian 12 machine or container, or install them by hand."
  fi
  printf 'installing %s of %s ... ' "${#missing[@]}" "$count" >&2
  setup_install "${missing[@]}"
  setup_done "done"
}

setup_fetch_sources() {
  local log=$setup_cache/setup-sources.log
  local -a names
  mapfile -t names < <(sed -nE '/^debian_source\(/,/^\)/s/^ *name = "(.*)",$/\1/p' "$root/WORKSPACE")
  setup_step 2 "third-party sources"
  if ! (cd "$root" && bazel fetch $(printf "@%s//... " "${names[@]}") >"$log" 2>&1 </dev/null); then
    setup_done "failed"
    cat "$log" >&2
    setup_fail "The sources could not be fetched; what went wrong stands above."
  fi
  setup_done "${names[*]}"
}

# What a stamp cannot know: that somebody removed a package since.
setup_still_there() {
  local program
  for program in bazel clang-19 ld.lld-19 llvm-objcopy-19 qemu-system-x86_64; do
    command -v "$program" >/dev/null || return 1
  done
}

setup_main() {
  local hash stamp
  hash=$(cat "$root"/tools/setup/{setup.sh,packages.txt} "$root/third_party/debian_source.sh" "$root/WORKSPACE" | sha256sum | cut -c1-16)
  stamp=$setup_cache/setup-$hash
  if [ "${1:-}" != again ] && [ -e "$stamp" ] && setup_still_there; then return; fi
  mkdir -p "$setup_cache"
  setup_install_packages
  setup_fetch_sources
  : >"$stamp"
}
