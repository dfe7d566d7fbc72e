#!/usr/bin/env bash
# Lints what is not Rust, each kind where its linter is installed: shell scripts, Dockerfiles, the compose file, workflows, JSON.
set -euo pipefail
cd "$(dirname "$0")/.."

lint() {
    local tool=$1
    if command -v "$tool" >/dev/null; then
        "$@"
    else
        echo "skipped: $tool is not installed"
    fi
}

mapfile -t shell < <(git ls-files '*.sh' .ci/run)
mapfile -t docker < <(git ls-files '*Dockerfile')
lint shellcheck --external-sources "${shell[@]}"
lint hadolint "${docker[@]}"
lint actionlint
