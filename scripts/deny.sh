#!/usr/bin/env bash
# Checks the dependencies against deny.toml with cargo-deny. Where cargo-deny is not installed, VECTIDE_INSTALL_TOOLS=1 compiles it (two
# minutes, once; without optimisation, for it runs a second) into the cache; else the check is skipped, and says so.
set -euo pipefail
tools="${VECTIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vectide}/tools"
export PATH="$PATH:$tools/bin"

if ! command -v cargo-deny >/dev/null && [ "${VECTIDE_INSTALL_TOOLS:-}" = 1 ]; then
    echo "compiling cargo-deny (once)" >&2
    # The tool's own target folder: it shares no flags with this workspace.
    CARGO_TARGET_DIR="$tools/target" cargo install --quiet --locked --debug --root "$tools" cargo-deny@0.20.2 || true
    rm -rf "$tools/target"
fi
if ! command -v cargo-deny >/dev/null; then
    echo "skipped: cargo deny is not installed (cargo install --locked cargo-deny)"
    exit 0
fi

cargo deny --log-level error check --hide-inclusion-graph bans licenses sources
if cargo deny --log-level off fetch db 2>/dev/null; then
    cargo deny --log-level error check --disable-fetch --hide-inclusion-graph advisories
else
    echo "skipped: the advisory database could not be fetched"
fi
