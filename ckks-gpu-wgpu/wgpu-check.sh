#!/usr/bin/env bash
# Checks and measures an adapter of Vulkan: needs a folder of `cargo xtask gpu-pack`.
#
#   wgpu-check.sh [OUT] [ADAPTER]    writes OUT (wgpu-check.json); ADAPTER (wgpu:0) as in `he-llama devices`
#
# The laws run on adapter 0. Where CUDA has a card too, the same operations run there for the ratio. The first
# failure ends it. QUICK=1 takes few samples. PRESET (n16-boot-w31) is the parameter set: drivers that run on the
# CPU need a ring for tests, insecure-n10-boot-w31.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-wgpu-check.json}
adapter=${2:-wgpu:0}
preset=${PRESET:-n16-boot-w31}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$here/programs.tar.gz" -C "$here"
export CKKS_REQUIRE_DEVICE=wgpu
quick=()
if [[ ${QUICK:-0} == 1 ]]; then quick=(--quick); fi

"$here/he-llama" devices | tee "$work/devices"

for program in conformance-wgpu device-wgpu; do
    echo "== $program"
    "$here/$program" --test-threads 4 | tee "$work/$program"
    if grep -q SKIPPED "$work/$program"; then
        echo "a law was skipped" >&2
        exit 1
    fi
done

operations() {
    "$here/bench" --backend "$1" --params "$preset" --json "$2" "${quick[@]}"
}
echo "== operations"
operations "$adapter" "$work/bench.json"
echo '[]' >"$work/cuda.json"
if grep -q '^cuda *built in' "$work/devices"; then
    echo "== the same on CUDA (old), and the ratio"
    operations cuda "$work/cuda.json"
    "$here/bench" --compare "$work/cuda.json" "$work/bench.json"
fi

echo "== the same ids as on the CPU"
ids() { "$here/he-llama" generate --tokens 2 --quiet --preset "$preset" --backend "$1"; }
if [[ $(ids "$adapter") != "$(ids cpu)" ]]; then
    echo "generate differs between $adapter and cpu" >&2
    exit 1
fi

{
    printf '{"date": "%s",\n' "$(date -u +%FT%TZ)"
    printf '"devices": "%s",\n' "$(sed 's/"/\\"/g' "$work/devices" | tr '\n' ' ')"
    printf '"bench": %s,\n"cuda": %s}\n' "$(cat "$work/bench.json")" "$(cat "$work/cuda.json")"
} >"$out"
echo "wrote $out"
