#!/usr/bin/env bash
# Lints what is deployed: the Helm chart, against Kubernetes' own schemas, and the systemd unit. Builds helm and kubeconform with Go where they
# are missing, which takes some minutes of a core once; everything comes from Go's module proxy.
set -euo pipefail
cd "$(dirname "$0")/.."

helm=helm.sh/helm/v3/cmd/helm@v3.19.2
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0
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
