#!/usr/bin/env bash
# Builds the pinned Alertmanager and amtool for tests and demo, once per pin, into the user's cache folder. A pin of its
# own, so that neither it nor the control plane's makes the other build anew.
# Prints the folder as its last line; with --print-folder it builds nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
pin=$(cat "$here/go.mod" "$here/go.sum" | sha256 | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/controlplane/alertmanager-$pin
if [ "${1:-}" = --print-folder ] || { [ -x "$out/alertmanager" ] && [ -x "$out/amtool" ]; }; then
  echo "$out"
  exit 0
fi

command -v go >/dev/null || { echo "Go is needed to build Alertmanager: install Go 1.26 or newer." >&2; exit 1; }
mkdir -p "$out"
# One build at a time; a second one waits and then finds everything done.
if command -v flock >/dev/null; then
  exec 9>"$out/.lock"
  flock 9
fi
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"; rm -f "$out"/.*."$$"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The published module lacks the built web page that the program embeds: an empty one stands in for it.
module=github.com/prometheus/alertmanager
cd "$here"
go mod download "$module" 2> >(sed '/^go: downloading /d' >&2)
cp -R "$(go list -m -f '{{.Dir}}' "$module")/." "$work"
version=$(go list -m -f '{{.Version}}' "$module")
chmod -R u+w "$work"
mkdir -p "$work/ui/app/dist"
: > "$work/ui/app/dist/index.html"
cd "$work"
for tool in alertmanager amtool; do
  [ -x "$out/$tool" ] && continue
  began=$SECONDS
  echo "controlplane: building $tool ($module $version) ..." >&2
  CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X github.com/prometheus/common/version.Version=${version#v}" \
    -o "$out/.$tool.$$" "./cmd/$tool" 2> >(sed '/^go: downloading /d' >&2)
  # Left in place only by a rename, so an interrupted build starts anew.
  mv "$out/.$tool.$$" "$out/$tool"
  echo "controlplane: built $tool in $((SECONDS - began)) s" >&2
done
echo "$out"
