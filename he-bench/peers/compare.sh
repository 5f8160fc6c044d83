#!/usr/bin/env bash
# Runs OpenFHE's Python package beside ours on set A, with one thread and with two, and prints the ratios.
# Usage: he-bench/peers/compare.sh [--bootstrap]    (needs Python 3.10, by PYTHON=...; with --bootstrap 11 GiB)
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3.10}
command -v "$python" >/dev/null || {
    echo "error: $python not found: the openfhe package needs Python 3.10; name it by PYTHON=/path/to/python3.10" >&2
    exit 1
}
out=target/peers
mkdir -p "$out"
[ -x "$out/venv/bin/python" ] || "$python" -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet openfhe==1.6.1.0.22.4

cargo build --release -p he-bench --bin bench
bench="${CARGO_TARGET_DIR:-target}/release/bench"
for threads in 1 2; do
    # The same processors for both, one after the other: the machine's mood is shared.
    OMP_NUM_THREADS=$threads "$out/venv/bin/python" he-bench/peers/openfhe_bench.py --json "$out/openfhe-$threads.json" "$@"
    for set in n16-deep n16-deep-w49; do
        "$bench" --quick --params "$set" --threads "$threads" --json "$out/ours-$set-$threads.json"
    done
    if [ "${1:-}" = --bootstrap ]; then
        "$bench" --quick --params n16-boot --filter bootstrap --threads "$threads" --json "$out/ours-n16-boot-$threads.json"
    fi
done
for threads in 1 2; do
    for ours in "$out"/ours-*-"$threads.json"; do
        "$out/venv/bin/python" he-bench/peers/ratios.py "$out/openfhe-$threads.json" "$ours"
    done
done
