#!/usr/bin/env bash
# Makes sure that a Chromium is there for the tests of pages: takes the one on the search path, else installs the
# distribution's package where it may.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "chromium: installing the package \"chromium\" ..." >&2
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
  exit 0
fi
echo "There is no Chromium on this machine, and only root can install it here. The tests of pages need one: install the package \"chromium\"." >&2
exit 1
