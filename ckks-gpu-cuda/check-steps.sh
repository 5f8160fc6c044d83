# The steps of a check on a card; for gpu-check.sh and wgpu-check.sh of a pack, which begin with `begin OUT`.
#
# What a step prints and measures stays in OUT.steps until all have passed: a call that was cut off goes on
# behind the last step that passed. A step that fails is named at the end and keeps no other from running.
# STEP_SECONDS (600) is the longest that one program may run.
set -euo pipefail
failed=()
quick=()
if [[ ${QUICK:-0} == 1 ]]; then quick=(--quick); fi

# begin OUT: unpacks the programs; $work is the folder of the results.
begin() {
    out=$1
    work=$out.steps
    mkdir -p "$work"
    tar -xzf "$here/programs.tar.gz" -C "$here"
}

# program NAME ARGUMENTS..: one of the pack.
program() {
    local name=$1
    shift
    timeout "${STEP_SECONDS:-600}" "$here/$name" "$@"
}

# step NAME COMMAND..: a command that passes if its status is 0.
step() {
    local name=$1 start=$SECONDS
    shift
    if [[ -e $work/$name.seconds ]]; then
        echo "== $name: passed before"
        return
    fi
    echo "== $name"
    # A failure inside a function that is tested does not end it: commands of a step are chained by `&&`.
    if "$@" 2>&1 | tee "$work/$name.log"; then
        echo "$((SECONDS - start))" >"$work/$name.seconds"
    else
        failed+=("$name")
        echo "== $name FAILED" >&2
    fi
}

# laws PROGRAM: all of them, none skipped.
laws() {
    program "$1" --test-threads 4 | tee "$work/$1.laws" && ! grep SKIPPED "$work/$1.laws"
}

# measured NAME: what a step measured, as JSON.
measured() {
    if [[ -s $work/$1.json ]]; then cat "$work/$1.json"; else echo null; fi
}

# seconds NAME..: how long each step took, as JSON; null for those that failed.
seconds() {
    local name separator=
    printf '{'
    for name in "$@"; do
        printf '%s"%s": %s' "$separator" "$name" "$(cat "$work/$name.seconds" 2>/dev/null || echo null)"
        separator=', '
    done
    printf '}'
}

# finish: after $out is written.
finish() {
    echo "wrote $out"
    if ((${#failed[@]})); then
        echo "failed: ${failed[*]} (see $work)" >&2
        return 1
    fi
    rm -r "$work"
}
