#!/usr/bin/env bash
# What a build needs besides Rust: a C compiler with its headers, make and perl (librdkafka and OpenSSL are built from source).
set -euo pipefail
here=$(dirname "$0")

missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v make >/dev/null || missing+=(make)
command -v perl >/dev/null || missing+=(perl)
[ ${#missing[@]} -eq 0 ] || "$here/install-packages.sh" "${missing[@]}"

# A shell that was open before rustup ran does not have its folder on the path yet.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
if ! command -v cargo >/dev/null; then
    echo "missing: Rust 1.95 or later; install it with rustup (https://rustup.rs), then run this again" >&2
    exit 1
fi
