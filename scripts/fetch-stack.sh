#!/usr/bin/env bash
# Provides the servers of the stack tests: Debian's PostgreSQL, Prometheus and Java, and Kafka, Kafka Connect and Debezium as one folder of jars,
# which Maven resolves from tests/stack/pom.xml into a cache, once, with the Apicurio registry. Prints where each is, one NAME=VALUE a line; progress goes to stderr.
# Arguments pick servers: postgres, kafka (with Java, Connect and Debezium), prometheus; without any, all.
set -euo pipefail
wanted=" ${*:-postgres kafka prometheus} "
here=$(cd "$(dirname "$0")" && pwd)
pom="$here/../tests/stack/pom.xml"
cache="${VECTIDE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vectide}/stack"
jars="$cache/jars-$(sha256sum "$pom" | cut -c1-12)"

# Two runs at once would install and download the same things.
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

fail() {
    echo "$*" >&2
    exit 1
}

# The newest installed server; Debian keeps its binaries off the path.
find_postgres() {
    local bin
    for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v postgres || echo /)")"; do
        if [ -x "$bin/postgres" ] && [ -x "$bin/psql" ]; then
            echo "$bin"
            return
        fi
    done
    return 1
}

# Kafka's broker needs Java 17.
find_java() {
    local java version
    for java in "${JAVA_HOME:-/usr}/bin/java" $(printf '%s\n' /usr/lib/jvm/*/bin/java | sort -rV); do
        version=$("$java" -version 2>&1 | sed -nE '1s/.*version "([0-9]+).*/\1/p') || continue
        if [ "${version:-0}" -ge 17 ]; then
            echo "$java"
            return
        fi
    done
    return 1
}

# Debian's package would otherwise create a cluster and start it as a service, which a test has no use for.
install_postgres() {
    "$here/install-packages.sh" postgresql-common
    local no_cluster=/etc/postgresql-common/createcluster.d/vectide.conf
    if [ -w /etc/postgresql-common ]; then
        mkdir -p "${no_cluster%/*}"
        echo 'create_main_cluster = false' >"$no_cluster"
        # shellcheck disable=SC2064  # the path is known now
        trap "rm -f '$no_cluster'" EXIT
    fi
    "$here/install-packages.sh" postgresql
}

install_java() {
    local package
    for package in openjdk-{17,21,25}-jre-headless; do
        if [ -n "$(apt-cache madison "$package" 2>/dev/null)" ]; then
            "$here/install-packages.sh" "$package"
            return
        fi
    done
    "$here/install-packages.sh" default-jre-headless
}

fetch_jars() {
    command -v mvn >/dev/null || "$here/install-packages.sh" maven
    command -v unzip >/dev/null || "$here/install-packages.sh" unzip
    echo "downloading Kafka, Kafka Connect, Debezium and the Apicurio registry (200 MB, once)" >&2
    local part="$jars.part"
    rm -rf "$part"
    JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$java")")") \
        mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$part" >"$cache/maven.log" 2>&1 || {
        cat "$cache/maven.log" >&2
        fail "Maven could not resolve tests/stack/pom.xml, see above"
    }
    # The registry is a program of its own, with other versions of the same libraries.
    unzip -q "$part"/apicurio-registry-app-*-all.zip -d "$part/registry"
    rm "$part"/apicurio-registry-app-*-all.zip
    rm -rf "$cache"/jars-????????????
    mv "$part" "$jars"
}

wants() {
    [[ $wanted == *" $1 "* ]]
}

command -v curl >/dev/null || "$here/install-packages.sh" curl
if wants postgres; then
    find_postgres >/dev/null || install_postgres
    postgres=$(find_postgres) || fail "no PostgreSQL server found under /usr/lib/postgresql or on the path"
    echo "postgres=$postgres"
fi
if wants kafka; then
    find_java >/dev/null || install_java
    java=$(find_java) || fail "no Java runtime of version 17 or later found"
    [ -d "$jars" ] || fetch_jars
    echo "java=$java"
    echo "jars=$jars"
    echo "registry=$(echo "$jars"/registry/*-runner.jar)"
fi
if wants prometheus; then
    command -v prometheus >/dev/null || "$here/install-packages.sh" prometheus
    echo "prometheus=$(command -v prometheus)"
fi
