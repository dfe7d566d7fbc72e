#!/usr/bin/env bash
# Shows that the fault suite can fail: each of scripts/mutants/*.pl makes one change to a copy of the tree, after which the test that it
# names has to fail. Names pick mutants. Ends with 1 where a mutant lives, where a change no longer applies or does not compile, and
# where a test fails without any change.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD
tree=$root/target/mutants/tree
export CARGO_TARGET_DIR=$root/target/mutants

# `names:` lines at the head of a mutant.
field() {
    sed -n "s/^# $1: //p" "$2"
}

# A fresh copy of what git knows, as it is now. What is unchanged keeps its time, so that cargo has little to do.
copy_tree() {
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files -z | xargs -0 cp --no-dereference --parents --preserve=timestamps -t "$tree"
}

build() {
    (cd "$tree" && cargo test -q --no-run --test faults)
}

run() {
    (cd "$tree" && cargo test -q --test faults -- --exact "$1")
}

mutants=()
if [ $# -eq 0 ]; then
    mutants=(scripts/mutants/*.pl)
else
    for name in "$@"; do
        mutants+=("scripts/mutants/$name.pl")
    done
fi
tests=()
for mutant in "${mutants[@]}"; do
    [ -f "$mutant" ] || { echo "there is no mutant $mutant" >&2; exit 1; }
    tests+=("$(field test "$mutant")")
done

copy_tree
# What an earlier run changed is older again than what it built of it, and would pass for unchanged.
for mutant in scripts/mutants/*.pl; do
    touch "$tree/$(field file "$mutant")"
done
build
while read -r test; do
    # A test that fails anyway shows nothing, and one that is not there passes.
    passed=$(run "$test" 2>&1) || { printf '%s\n%s fails without any change\n' "$passed" "$test" >&2; exit 1; }
    grep -q '^test result: ok. 1 passed' <<<"$passed" || { echo "there is no test $test" >&2; exit 1; }
done < <(printf '%s\n' "${tests[@]}" | sort -u)

lives=0
for mutant in "${mutants[@]}"; do
    name=$(basename "$mutant" .pl)
    file=$(field file "$mutant")
    test=$(field test "$mutant")
    copy_tree
    perl -0pi "$mutant" "$tree/$file"
    if cmp -s "$file" "$tree/$file"; then
        echo "$name: does not apply to $file any more" >&2
        exit 1
    fi
    if ! build; then
        echo "$name: does not compile" >&2
        exit 1
    fi
    if run "$test" >"$root/target/mutants/$name.log" 2>&1; then
        echo "$name: LIVES, $test passes"
        lives=1
    else
        echo "$name: found by $test"
    fi
done
exit "$lives"
