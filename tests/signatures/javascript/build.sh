#!/usr/bin/env bash
# Installs the verifier of webhook signatures with the npm package pinned in this folder, once per pin, into the user's
# cache folder. Prints the path of the program as its last line; everything else goes to standard error.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
for tool in node npm; do
  command -v "$tool" >/dev/null || { echo "'$tool' is needed to verify signatures by the library for JavaScript: install Node 18 or newer with npm (https://nodejs.org)." >&2; exit 1; }
done
pin=$(cat "$here/package.json" "$here/package-lock.json" "$here/verify.js" | sha256 | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/signatures/javascript-$pin
if [ ! -x "$out/verify.js" ]; then
  mkdir -p "$out"
  # The program gets its name only when all that it needs is there, so an interrupted or a second build does no harm.
  cp "$here/package.json" "$here/package-lock.json" "$out/"
  if command -v flock >/dev/null; then exec 9>"$out/.lock"; flock 9; fi
  [ -x "$out/verify.js" ] || (cd "$out" && npm ci --ignore-scripts --no-audit --no-fund) >&2
  cp "$here/verify.js" "$out/.verify.$$"
  chmod +x "$out/.verify.$$"
  mv "$out/.verify.$$" "$out/verify.js"
fi
echo "$out/verify.js"
