#!/usr/bin/env bash
# Prints where libfaketime is: installed, or unpacked in the cache. With --fetch it is fetched where it is missing, by the
# distribution's own means (a Debian or Ubuntu package, verified by apt, unpacked and not installed: no root needed).
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/faketime

find_it() {
  { find /usr/lib "$cache" -name libfaketime.so.1 2>/dev/null || true; } | head -n 1
}

found=$(find_it)
if [ -z "$found" ] && [ "${1:-}" = --fetch ]; then
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || {
    echo "libfaketime is missing: install it by your distribution's package manager" >&2
    exit 1
  }
  mkdir -p "$cache"
  cd "$cache"
  apt-get -qq download libfaketime >&2 || { apt-get -qq update >&2 && apt-get -qq download libfaketime >&2; }
  dpkg-deb -x libfaketime_*.deb .
  rm -f libfaketime_*.deb
  found=$(find_it)
fi
[ -n "$found" ] || { echo "libfaketime is missing: 'make rig' fetches it" >&2; exit 1; }
echo "$found"
