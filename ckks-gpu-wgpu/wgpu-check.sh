#!/usr/bin/env bash
# Checks and measures an adapter of Vulkan, Metal or DirectX 12: needs its driver and the programs of
# `cargo xtask gpu-pack` beside it.
#
#   wgpu-check.sh [OUT] [ADAPTER]    writes OUT (wgpu-check.json); ADAPTER (wgpu:0) as in `he-llama devices`
#
# The laws run on adapter 0. The first failure ends it. QUICK=1 takes few samples.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-wgpu-check.json}
adapter=${2:-wgpu:0}
preset=n16-boot-w31
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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

echo "== operations"
"$here/bench" --backend "$adapter" --params $preset --json "$work/bench.json" "${quick[@]}"

echo "== the same ids as on the CPU"
ids() { "$here/he-llama" generate --tokens 2 --quiet --preset $preset --backend "$1"; }
if [[ $(ids "$adapter") != "$(ids cpu)" ]]; then
    echo "generate differs between $adapter and cpu" >&2
    exit 1
fi

{
    printf '{"date": "%s",\n' "$(date -u +%FT%TZ)"
    printf '"devices": "%s",\n' "$(sed 's/"/\\"/g' "$work/devices" | tr '\n' ' ')"
    printf '"bench": %s}\n' "$(cat "$work/bench.json")"
} >"$out"
echo "wrote $out"
