#!/usr/bin/env bash
# Lints what is deployed: the Helm chart, against Kubernetes' own schemas, and the compose file, with the loader that `docker compose` uses.
# Builds helm, kubeconform and that loader with Go where they are missing, which takes some minutes of a core once; everything comes from Go's
# module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."

helm=helm.sh/helm/v3/cmd/helm@v3.19.2
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
# Its command is called cmd, and gets a folder of its own.
compose=github.com/compose-spec/compose-go/v2/cmd@v2.16.2
# The version whose schemas are checked against, and that `helm template` takes for the cluster's.
kubernetes=1.34.2

tools="${VECTIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vectide}/tools"
export PATH="$PATH:$tools/bin"
for tool in "$helm" "$kubeconform"; do
    name=${tool%@*}
    command -v "${name##*/}" >/dev/null && continue
    command -v go >/dev/null || {
        echo "missing: ${name##*/}, or Go to build it with" >&2
        exit 1
    }
    echo "building ${name##*/}" >&2
    GOBIN=$tools/bin go install "$tool"
done

if [ ! -x "$tools/compose-go/cmd" ]; then
    command -v go >/dev/null || {
        echo "missing: Go, to build the compose file's loader with" >&2
        exit 1
    }
    echo "building compose-go" >&2
    GOBIN=$tools/compose-go go install "$compose"
fi

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

# Kubernetes' OpenAPI documents are in its module.
module=$(cd "$made" && go mod download -json "k8s.io/kubernetes@v$kubernetes" | jq -r .Dir)
mkdir "$made/schemas"
for group in api__v1 apis__apps__v1 apis__networking.k8s.io__v1 apis__policy__v1; do
    jq -c -f scripts/kubernetes-schemas.jq "$module/api/openapi-spec/v3/${group}_openapi.json"
done | while read -r line; do
    jq -c .schema <<<"$line" >"$made/schemas/$(jq -r .name <<<"$line").json"
done

chart=deploy/helm/vectide
for values in $chart/values.yaml $chart/ci/everything.yaml; do
    helm lint --quiet --strict "$chart" --values "$values" 2>/dev/null
    helm template shop "$chart" --kube-version "$kubernetes" --values "$values" 2>/dev/null >"$made/manifests.yaml"
    # The kinds of the Prometheus Operator and of KEDA have their schemas elsewhere; promtool checks the rules.
    kubeconform -strict -summary -skip ServiceMonitor,PrometheusRule,ScaledObject \
        -schema-location "$made/schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$made/manifests.yaml"
done
# What the schema of the values is there to refuse.
for wrong in replicas=0 replcias=2 terminationGracePeriodSeconds=5 probes.liveness.path=/metrics; do
    if helm template shop "$chart" --kube-version "$kubernetes" --set "$wrong" >/dev/null 2>&1; then
        echo "the chart takes --set $wrong" >&2
        exit 1
    fi
done

# Both sets of services; and what the loader is there to refuse.
for profiles in "" monitoring; do
    COMPOSE_PROFILES=$profiles "$tools/compose-go/cmd" docker-compose.yml >/dev/null
done
sed 's/^    read_only: true/    read_olny: true/' docker-compose.yml >"$made/wrong.yml"
if "$tools/compose-go/cmd" "$made/wrong.yml" >/dev/null 2>&1; then
    echo "a key that there is not is taken for one of the compose file's" >&2
    exit 1
fi
