#!/usr/bin/env bash
# Prints where the pinned libfaketime is: unpacked in the cache, not installed (no root needed). With --fetch the package
# of Debian 12 is fetched where it is missing. FIREBELL_LIBFAKETIME names a library of yours instead (other distributions,
# other processors).
set -euo pipefail

version=0.9.10-2.1
sum=b09481e7690680966005330c3f907bba4b5eefc35e1faaea4783cc55655d1150 # of the package for amd64
cache=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/faketime/$version

fail() {
  echo "faketime: $1" >&2
  echo "faketime: libfaketime $version moves the wall clock in a test; elsewhere than on Debian 12 (amd64) install it by your package manager and let FIREBELL_LIBFAKETIME name its libfaketime.so.1" >&2
  exit 1
}

find_it() {
  [ ! -d "$cache" ] || find "$cache" -name libfaketime.so.1 | head -n 1
}

fetch() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "there is no apt here"
  mkdir -p "${cache%/*}"
  folder=$(mktemp -d "${cache%/*}/new.XXXXXX")
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  package=libfaketime=$version
  { apt-get -qq download "$package" || { apt-get -qq update && apt-get -qq download "$package"; }; } >&2 ||
    fail "the package \"$package\" could not be fetched"
  echo "$sum  $(echo libfaketime_*.deb)" | sha256sum --check --status || fail "the package is not the one that is pinned"
  mkdir unpacked
  dpkg-deb -x libfaketime_*.deb unpacked
  rm -rf "$cache"
  mv unpacked "$cache"
}

if [ -n "${FIREBELL_LIBFAKETIME:-}" ]; then
  [ -f "$FIREBELL_LIBFAKETIME" ] || fail "FIREBELL_LIBFAKETIME names no file"
  echo "$FIREBELL_LIBFAKETIME"
  exit 0
fi
found=$(find_it)
if [ -z "$found" ] && [ "${1:-}" = --fetch ]; then
  fetch
  found=$(find_it)
fi
[ -n "$found" ] || fail "it is missing; 'make test' and 'make rig' fetch it"
echo "$found"
