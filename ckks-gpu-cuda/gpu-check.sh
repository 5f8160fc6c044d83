#!/usr/bin/env bash
# Checks and measures a card: needs an NVIDIA driver and a folder of `cargo xtask gpu-pack`.
#
#   gpu-check.sh [OUT]    writes OUT (gpu-check.json): conformance, kernels, operations, bootstrapping; then
#                         what wgpu-check.sh measures of the same card through Vulkan (gpu-check-wgpu.json)
#
# Kernels and bootstrapping are timed launch by launch and captured. Tokens are compared with those of the
# CPU for the model built in and, where the pack has one, for the model in `model`. The first failure ends it.
# NVRTC (libnvrtc.so.13 on LD_LIBRARY_PATH) compiles for the exact card; without it the driver compiles the
# embedded PTX. Matrix products are timed by all units, through cuBLAS where libcublas.so.13 is found there
# too: where not, `left_out` of the kernels says so. QUICK=1 takes few samples.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-gpu-check.json}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$here/programs.tar.gz" -C "$here"
export CKKS_REQUIRE_DEVICE=cuda
for toolkit in /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
    if [[ -d $toolkit ]]; then
        export LD_LIBRARY_PATH=$toolkit:${LD_LIBRARY_PATH:-}
    fi
done
quick=()
if [[ ${QUICK:-0} == 1 ]]; then quick=(--quick); fi

echo "== conformance on the card"
"$here/conformance" --test-threads 4 | tee "$work/conformance"
passed=$(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$work/conformance")
if grep -q SKIPPED "$work/conformance"; then
    echo "a law was skipped" >&2
    exit 1
fi

sanitizer='"not found"'
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        echo "== compute-sanitizer $tool"
        compute-sanitizer --tool "$tool" --error-exitcode 9 "$here/conformance" \
            --test-threads 1 plain::key_switch_equals plain::intt_inverts_ntt plain::gemm plain::packed plain::compact \
            plain::seeded plain::neighbours captured::gemm captured::seeded captured::key_switch_equals \
            captured::captured_work streamed::gemm
    done
    sanitizer='"clean"'
fi

echo "== kernels"
"$here/kernels" --json "$work/kernels.json"

echo "== operations"
"$here/bench" --backend cuda --json "$work/bench.json" "${quick[@]}"

echo "== operations, captured sequences"
"$here/bench" --backend cuda,graphs --json "$work/graphs.json" "${quick[@]}"

echo "== bootstrapping"
"$here/precision" --backend cuda --quick --json "$work/precision.json"
"$here/precision" --backend cuda,graphs --preset n16-ci-boot-w31 --secrets 4 --resident --json "$work/real.json"

# ids BACKEND OPTIONS..: the tokens that a backend generates
ids() {
    local backend=$1
    shift
    "$here/he-llama" generate --tokens 4 --quiet --backend "$backend" --json "$work/run.json" "$@" >/dev/null
    tr -d ' \n' <"$work/run.json" | sed -n 's/.*[,{]"ids":\(\[[^]]*\]\).*/\1/p'
}
# same NAME FORMS OPTIONS..: fails where a form of the backend generates other tokens than the CPU
same() {
    local name=$1 forms=$2 expected found form
    shift 2
    echo "== $name: the same ids as on the CPU"
    expected=$(ids cpu "$@")
    for form in $forms; do
        found=$(ids "$form" "$@")
        echo "$form: $found"
        if [[ -z $expected || $found != "$expected" ]]; then
            echo "$name: $form generates $found, the CPU $expected" >&2
            exit 1
        fi
    done
}
same "the model built in" "cuda cuda,graphs cuda,keys=fused cuda,keys=expanded,storage=host,matrices=fp64"
model='"not in this pack"'
if [[ -d $here/model ]]; then
    same "the model of the pack" "cuda cuda,graphs" --model "$here/model"
    model='"the same ids"'
fi

{
    printf '{"date": "%s",\n' "$(date -u +%FT%TZ)"
    printf '"driver": "%s",\n' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | head -1)"
    printf '"conformance_passed": %s,\n"sanitizer": %s,\n"model": %s,\n' "$passed" "$sanitizer" "$model"
    printf '"kernels": %s,\n"bench": %s,\n' "$(cat "$work/kernels.json")" "$(cat "$work/bench.json")"
    printf '"bench_captured": %s,\n"precision": %s,\n"precision_of_65536_real_slots": %s}\n' \
        "$(cat "$work/graphs.json")" "$(cat "$work/precision.json")" "$(cat "$work/real.json")"
} >"$out"
echo "wrote $out"

# The same card through Vulkan, where its driver has it.
if "$here/he-llama" devices | grep '^wgpu *built in' | grep -q NVIDIA; then
    "$here/wgpu-check.sh" "${out%.json}-wgpu.json"
else
    echo "wgpu: SKIPPED (Vulkan has no NVIDIA card here)"
fi
