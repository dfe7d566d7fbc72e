#!/usr/bin/env bash
# install-packages.sh PACKAGE...: installs Debian packages where the user may; else names them in one line and fails.
set -euo pipefail

if ! command -v apt-get >/dev/null; then
    echo "missing: $* (as Debian names them); install them with this system's package manager, then run this again" >&2
    exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    echo "missing: run 'sudo apt-get install -y --no-install-recommends $*', then this again" >&2
    exit 1
fi

echo "installing $*" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1 || {
        cat "$log" >&2
        echo "apt-get $* failed, see above" >&2
        exit 1
    }
}
apt update
apt install -y --no-install-recommends "$@"
