#!/usr/bin/env bash
# Checks and measures an adapter of Vulkan: needs a folder of `cargo xtask gpu-pack`.
#
#   wgpu-check.sh [OUT] [ADAPTER]    writes OUT (wgpu-check.json); ADAPTER (wgpu:0) as in `he-llama devices`
#
# The laws run on adapter 0. Where CUDA has a card too, the same operations run there for the ratio. QUICK=1
# takes few samples. PRESET (n16-boot-w31) is the parameter set: drivers that run on the CPU need a ring for
# tests, insecure-n10-boot-w31. check-steps.sh says what a failure does.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/check-steps.sh"
begin "${1:-wgpu-check.json}"
adapter=${2:-wgpu:0}
preset=${PRESET:-n16-boot-w31}
export CKKS_REQUIRE_DEVICE=wgpu

# operations BACKEND NAME
operations() {
    program bench --backend "$1" --params "$preset" --json "$work/$2.json" "${quick[@]}"
}

# ids BACKEND: what it writes.
ids() {
    program he-llama generate --tokens 2 --quiet --preset "$preset" --backend "$1"
}

same() {
    local found expected
    found=$(ids "$adapter") && expected=$(ids cpu) || return 1
    echo "$adapter: $found"
    if [[ $found != "$expected" ]]; then
        echo "generate differs between $adapter and cpu: $expected" >&2
        return 1
    fi
}

steps=(devices conformance device bench ids)
step devices program he-llama devices
step conformance laws conformance-wgpu
step device laws device-wgpu
step bench operations "$adapter" bench
if grep -q '^cuda *built in' "$work/devices.log"; then
    steps+=(cuda ratio)
    step cuda operations cuda cuda
    step ratio program bench --compare "$work/cuda.json" "$work/bench.json"
fi
step ids same

{
    printf '{"date": "%s",\n' "$(date -u +%FT%TZ)"
    printf '"devices": "%s",\n' "$(sed 's/"/\\"/g' "$work/devices.log" | tr '\n' ' ')"
    printf '"seconds": %s,\n' "$(seconds "${steps[@]}")"
    printf '"bench": %s,\n"cuda": %s}\n' "$(measured bench)" "$(measured cuda)"
} >"$out"
finish
