#!/usr/bin/env bash
# Builds the control plane for tests and demo (etcd, kube-apiserver, kube-controller-manager, kubectl and a
# real Helm) from the Go modules pinned in this folder, once per pin, into the user's cache folder.
# Prints the folder with the binaries as its last line; everything else goes to standard error.
# With --print-folder it builds nothing and prints the folder only: the one place that knows where it is.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
  for tool in etcd kube-apiserver kubectl; do
    [ -x "$KUBEBUILDER_ASSETS/$tool" ] || {
      echo "KUBEBUILDER_ASSETS is '$KUBEBUILDER_ASSETS', which has no '$tool'. Unset it to build the pinned control plane, or point it at a folder that has etcd, kube-apiserver and kubectl." >&2
      exit 1
    }
  done
  echo "$KUBEBUILDER_ASSETS"
  exit 0
fi

sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi; }
pin=$(cat "$here/go.mod" "$here/go.sum" "$here/helm/go.mod" "$here/helm/go.sum" | sha256 | cut -c1-16)
out=${XDG_CACHE_HOME:-$HOME/.cache}/firebell/controlplane/$pin
if [ "${1:-}" = --print-folder ]; then
  echo "$out"
  exit 0
fi

finished() { for tool in etcd kube-apiserver kubectl kube-controller-manager helm; do [ -x "$out/$tool" ] || return 1; done; }
if finished; then
  echo "$out"
  exit 0
fi

command -v go >/dev/null || { echo "Go is needed to build the control plane: install Go 1.26 or newer, or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl." >&2; exit 1; }
mkdir -p "$out"
# One build at a time; a second one waits and then finds everything done.
if command -v flock >/dev/null; then
  exec 9>"$out/.lock"
  flock -n 9 || { echo "controlplane: another build is filling $out; waiting for it ..." >&2; flock 9; }
fi
# An interrupted build leaves neither a half binary nor a compiler behind.
job=
trap 'if [ -n "$job" ]; then kill "$job" 2>/dev/null || true; fi; rm -f "$out"/.*."$$"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

kubernetes=$(cd "$here" && go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${kubernetes#v1.}; minor=${minor%%.*}
version=k8s.io/component-base/version
ldflags="-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

# build MODULE_FOLDER PACKAGE NAME: leaves a finished binary in place only by a rename, so an interrupted build starts anew.
build() {
  [ -x "$out/$3" ] && return 0
  local began=$SECONDS
  echo "controlplane: building $3 ($2) ..." >&2
  (cd "$here/$1" && CGO_ENABLED=0 exec go build -trimpath -ldflags "$ldflags" -o "$out/.$3.$$" "$2" \
    2> >(sed '/^go: downloading /d' >&2)) &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    sleep 2
    if [ $(((SECONDS - began) % 60)) -lt 2 ] && [ $((SECONDS - began)) -gt 10 ]; then
      echo "controlplane: $3: still building after $((SECONDS - began)) s (first build only; later ones use $out)" >&2
    fi
  done
  wait "$job" || { echo "controlplane: building $3 failed (status $?); see the Go error above" >&2; exit 1; }
  job=
  mv "$out/.$3.$$" "$out/$3"
  echo "controlplane: built $3 in $((SECONDS - began)) s" >&2
}

build . go.etcd.io/etcd/server/v3 etcd
build . k8s.io/kubernetes/cmd/kube-apiserver kube-apiserver
build . k8s.io/kubernetes/cmd/kubectl kubectl
build . k8s.io/kubernetes/cmd/kube-controller-manager kube-controller-manager
build helm helm.sh/helm/v4/cmd/helm helm
echo "$out"
