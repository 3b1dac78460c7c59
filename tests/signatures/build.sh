#!/usr/bin/env bash
# Builds the verifier of webhook signatures from the Go module pinned in this folder, once per pin, into the user's cache
# folder. Prints the path of the program as its last line; everything else goes to standard error.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
pin=$(cat "$here/go.mod" "$here/go.sum" "$here/main.go" | sha256 | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/signatures/$pin
if [ ! -x "$out/signatures" ]; then
  command -v go >/dev/null || { echo "Go is needed to build the verifier of signatures: install Go 1.24 or newer." >&2; exit 1; }
  mkdir -p "$out"
  # A finished program gets its name only at the end, so an interrupted or a second build does no harm.
  (cd "$here" && CGO_ENABLED=0 go build -trimpath -o "$out/.signatures.$$" .) >&2
  mv "$out/.signatures.$$" "$out/signatures"
fi
echo "$out/signatures"
