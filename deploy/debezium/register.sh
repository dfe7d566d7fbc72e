#!/bin/sh
# register.sh [CONNECT_URL [NAME [SETTINGS]]]: registers the connector, or changes it to the settings given, and waits until it runs.
set -eu
url=${1:-http://localhost:8083}
name=${2:-shop}
settings=${3:-$(dirname "$0")/postgres.json}

echo "waiting for Kafka Connect at $url"
until curl -fsS -o /dev/null "$url/connectors" 2>/dev/null; do sleep 1; done

echo "sending $settings"
while :; do
    # PUT creates and updates alike, so that running this again is harmless.
    answer=$(curl -sS -w ' %{http_code}' -X PUT -H 'Content-Type: application/json' --data-binary "@$settings" "$url/connectors/$name/config")
    case ${answer##* } in
        200 | 201) break ;;
        # The workers are agreeing on who does what; it passes.
        409) sleep 1 ;;
        *)
            echo "Kafka Connect refused connector $name: $answer" >&2
            exit 1
            ;;
    esac
done

echo "waiting for connector $name to run"
while :; do
    # 404 until its first state is known.
    status=$(curl -fsS "$url/connectors/$name/status" 2>/dev/null || true)
    case $status in
        *'"state":"FAILED"'*)
            echo "connector $name failed: $status" >&2
            exit 1
            ;;
        # The connector and its one task.
        *'"state":"RUNNING"'*'"state":"RUNNING"'*)
            echo "connector $name runs"
            exit 0
            ;;
    esac
    sleep 1
done
