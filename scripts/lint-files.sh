#!/usr/bin/env bash
# Lints what is not Rust: shell scripts, Dockerfiles, workflows, the compose file; each where its linter is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."

has() {
    command -v "$1" >/dev/null || {
        echo "skipped: $1 is not installed"
        return 1
    }
}

if ! command -v shellcheck >/dev/null && [ "${VECTIDE_INSTALL_TOOLS:-}" = 1 ]; then
    "$here/install-packages.sh" shellcheck
fi
if has shellcheck; then
    shellcheck .ci/run scripts/*.sh deploy/debezium/*.sh
fi
if has hadolint; then
    hadolint Dockerfile deploy/debezium/Dockerfile
fi
if has actionlint; then
    actionlint
fi
if docker compose version >/dev/null 2>&1; then
    docker compose --file docker-compose.yml config --quiet
else
    echo "skipped: docker compose is not installed"
fi
