#!/usr/bin/env bash
# Does what the README says, block by block, as somebody who reads it for the first time would: the blocks that are marked as tried. `vectide` is
# taken from the path. The servers that its configuration names are the stand-ins.
set -euo pipefail
cd "$(dirname "$0")/.."

# The block after the mark `<!-- tried: NAME -->`.
block() {
    awk -v mark="<!-- tried: $1 -->" '
        $0 == mark { marked = 1; next }
        marked && /^```/ { if (inside) exit; inside = 1; next }
        inside { print }
    ' README.md | grep . || {
        echo "the README has no block that is marked as tried: $1" >&2
        exit 1
    }
}

folder=$(mktemp -d)
started=()
finish() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf "$folder"
}
trap finish EXIT

# Starts a stand-in, and prints the address in its first line.
stand_in() {
    local name=$1
    vectide embedded "$@" >"$folder/$name.address" &
    started+=($!)
    for _ in $(seq 100); do
        address=$(head -n 1 "$folder/$name.address")
        [ -z "$address" ] || return 0
        sleep 0.1
    done
    echo "the stand-in for $name does not start" >&2
    exit 1
}

echo "== the demonstration"
# The tests are not run here: they run by themselves.
block demo | grep -v '^make test ' >"$folder/demo.sh"
timeout 300 bash -euo pipefail "$folder/demo.sh"

echo "== a member with the README's configuration"
block configuration >"$folder/vectide.toml"
block member >"$folder/member.sh"
topic=$(sed -n 's/^topics = \["\(.*\)"\]/\1/p' "$folder/vectide.toml")
stand_in kafka --topic "$topic" --topic vectide.dead-letters
export VECTIDE__KAFKA__BROKERS=$address
stand_in qdrant --address 127.0.0.1:0
export VECTIDE__INDEX__URL=$address
stand_in embeddings --address 127.0.0.1:0
export VECTIDE__EMBED__URL=$address
export VECTIDE_CONFIG=$folder/vectide.toml OPENAI_API_KEY=none
# Not the usual port, where another member may listen.
export VECTIDE__ADMIN__ADDRESS=127.0.0.1:9474

while read -r line; do
    echo "-- $line"
    case "$line" in
        "vectide run"*)
            # Runs until it is told to end; it must get ready, and end well.
            vectide run &
            member=$!
            started+=("$member")
            for _ in $(seq 60); do
                if vectide health --ready >/dev/null 2>&1; then break; fi
                sleep 0.5
            done
            vectide health --ready
            kill "$member"
            wait "$member"
            ;;
        *) timeout 60 bash -c "$line" ;;
    esac
done <"$folder/member.sh"
echo "== the README is right"
