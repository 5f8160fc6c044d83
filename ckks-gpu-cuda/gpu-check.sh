#!/usr/bin/env bash
# Checks and measures a card: needs an NVIDIA driver and a folder of `cargo xtask gpu-pack`.
#
#   gpu-check.sh [OUT]    writes OUT (gpu-check.json): conformance, kernels, operations, bootstrapping; then
#                         what wgpu-check.sh measures of the same card through Vulkan (gpu-check-wgpu.json)
#
# Kernels and bootstrapping are timed launch by launch and captured. Tokens are compared with those of the
# CPU for the model built in and, where the pack has one, for the model in `model`. NVRTC (libnvrtc.so.13 on
# LD_LIBRARY_PATH) compiles for the exact card; without it the driver compiles the embedded PTX. Matrix
# products are timed by all units, through cuBLAS where libcublas.so.13 is found there too: where not,
# `left_out` of the kernels says so. QUICK=1 takes few samples. check-steps.sh says what a failure does.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/check-steps.sh"
begin "${1:-gpu-check.json}"
export CKKS_REQUIRE_DEVICE=cuda
for toolkit in /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib; do
    if [[ -d $toolkit ]]; then
        export LD_LIBRARY_PATH=$toolkit:${LD_LIBRARY_PATH:-}
    fi
done

# sanitized TOOL: small sizes of every kind of kernel.
sanitized() {
    timeout "${STEP_SECONDS:-600}" compute-sanitizer --tool "$1" --error-exitcode 9 "$here/conformance" \
        --test-threads 1 plain::key_switch_equals plain::intt_inverts_ntt plain::gemm plain::packed plain::compact \
        plain::seeded plain::neighbours captured::gemm captured::seeded captured::key_switch_equals \
        captured::captured_work streamed::gemm
}

# ids BACKEND OPTIONS..: the tokens that a backend generates.
ids() {
    local backend=$1
    shift
    program he-llama generate --tokens 4 --quiet --backend "$backend" --json "$work/run.json" "$@" >/dev/null &&
        tr -d ' \n' <"$work/run.json" | sed -n 's/.*[,{]"ids":\(\[[^]]*\]\).*/\1/p'
}

# same FORMS OPTIONS..: whether all forms of the backend generate the tokens of the CPU.
same() {
    local forms=$1 form found expected all=()
    shift
    for form in $forms; do
        found=$(ids "$form" "$@") || return 1
        echo "$form: $found"
        all+=("$found")
    done
    expected=$(ids cpu "$@") || return 1
    echo "cpu: $expected"
    [[ -n $expected ]] || return 1
    for found in "${all[@]}"; do
        [[ $found == "$expected" ]] || return 1
    done
}

steps=(conformance kernels bench bench_captured precision precision_of_65536_real_slots ids)
step conformance laws conformance
step kernels program kernels --json "$work/kernels.json"
step bench program bench --backend cuda --json "$work/bench.json" "${quick[@]}"
step bench_captured program bench --backend cuda,graphs --json "$work/bench_captured.json" "${quick[@]}"
step precision program precision --backend cuda --quick --json "$work/precision.json"
step precision_of_65536_real_slots program precision --backend cuda,graphs --preset n16-ci-boot-w31 --secrets 4 \
    --resident --json "$work/precision_of_65536_real_slots.json"
step ids same "cuda cuda,graphs cuda,keys=fused cuda,keys=expanded,storage=host,matrices=fp64"
if [[ -d $here/model ]]; then
    steps+=(ids_of_the_model)
    step ids_of_the_model same "cuda cuda,graphs" --model "$here/model"
fi
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        steps+=("$tool")
        step "$tool" sanitized "$tool"
    done
fi

{
    printf '{"date": "%s",\n' "$(date -u +%FT%TZ)"
    printf '"driver": "%s",\n' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>&1 | head -1)"
    printf '"laws_passed": "%s",\n' "$(sed -n 's/^test result: ok. \([0-9]*\) passed.*/\1/p' "$work/conformance.log")"
    printf '"seconds": %s' "$(seconds "${steps[@]}")"
    for name in kernels bench bench_captured precision precision_of_65536_real_slots; do
        printf ',\n"%s": %s' "$name" "$(measured "$name")"
    done
    printf '}\n'
} >"$out"
status=0
finish || status=1

# The same card through Vulkan, where its driver has it.
if program he-llama devices | grep '^wgpu *built in' | grep -q NVIDIA; then
    "$here/wgpu-check.sh" "${out%.json}-wgpu.json" || status=1
else
    echo "wgpu: SKIPPED (Vulkan has no NVIDIA card here)"
fi
exit "$status"
