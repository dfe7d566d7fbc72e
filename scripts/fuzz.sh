#!/usr/bin/env bash
# Runs the fuzz targets named, or all, for VECTIDE_FUZZ_SECONDS each (a minute by default). What they find lands in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "fuzzing needs a nightly compiler: rustup toolchain install nightly --profile minimal" >&2
    exit 1
fi
if ! cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "fuzzing needs cargo-fuzz: cargo install --locked cargo-fuzz" >&2
    exit 1
fi

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <(cargo +nightly fuzz list)
fi
for target in "${targets[@]}"; do
    printf '\n== %s\n' "$target"
    mkdir -p "fuzz/corpus/$target"
    # Memory is bounded well below what one record of the most that Kafka allows could be made to take.
    # Nothing of ours is unsafe, so that the address sanitizer would find nothing, and librdkafka does not link with it.
    cargo +nightly fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="${VECTIDE_FUZZ_SECONDS:-60}" -dict=fuzz/debezium.dict -rss_limit_mb=1024 -timeout=10 -max_len=16384
done
