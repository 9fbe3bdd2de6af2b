# What engine-tests.sh and cuda-tests.sh share: sourced, after `set -u` and build=FOLDER. Programs of
# tests end with a line "N passed, N failed" (", N skipped" may follow); one that does not counts as a failure.

jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

RKEOPS_INCLUDE=$(pwd)/inst/include/rkeops
RKEOPS_CACHE=$scratch/cache
R_USER_CACHE_DIR=$scratch/cache
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:intercept_strstr=0}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export RKEOPS_INCLUDE RKEOPS_CACHE R_USER_CACHE_DIR ASAN_OPTIONS UBSAN_OPTIONS
unset MAKEFLAGS MFLAGS MAKELEVEL

passed=0
failed=0
skipped=0
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"

# accepts COMPILER FLAGS...: can it build a program with these flags?
accepts() {
  printf '%s\nint main(void) { return 0; }\n' "${header:-}" > "$scratch/probe.c"
  "$@" "$scratch/probe.c" -o "$scratch/probe" >/dev/null 2>&1
}

flags_for() {
  flags="-O1 -g"
  if accepts "$1" $sanitizers; then flags="$flags $sanitizers"
  else echo "  $1 has no sanitizers here: plain build" >&2; fi
  echo "$flags"
}

kernel_flags_for() {
  flags="-O2 -fno-math-errno -fno-trapping-math -ffp-contract=fast"
  if accepts "$1" -march=native; then flags="$flags -march=native"; fi
  header='#include <omp.h>' accepts "$1" -fopenmp && flags="$flags -fopenmp"
  echo "$flags"
}

# engine_of COMPILER ARGUMENTS...: make, with what this compiler makes of the engine under sanitizers.
# engine-tests.sh and cuda-tests.sh share that of gcc.
engine_of() {
  by=$1
  shift
  make --no-print-directory -k -j"$jobs" -f tools/engine.mk CC="$by" \
       DIR="$build/engine-$(basename "$by")" FLAGS="$(flags_for "$by")" \
       KERNEL_FLAGS="$(kernel_flags_for "$by")" "$@"
}

# A compiler for kernels that does not optimise (a third of the time), for tests of what formulas
# are; empty, which is the true one with the true flags, in a full run.
quick_compiler() {
  [ -n "${RKEOPS_TEST_FULL:-}" ] && return
  printf '#!/bin/sh\nexec %s "$@" -O0\n' "${RKEOPS_CC:-cc}" > "$scratch/quick-cc"
  chmod 700 "$scratch/quick-cc"
  echo "$scratch/quick-cc"
}

# run_test PROGRAM [LABEL]
run_test() {
  log=$scratch/$(basename "$1")${lane:-}.log
  arguments=
  case ${RKEOPS_TEST_FULL:+full}-$(basename "$1") in
    full-test_math*) arguments=--full ;;
  esac
  label="$(basename "$1")${2:+ ($2)}"
  started=$(date +%s)
  "$1" $arguments >"$log" 2>&1
  status=$?
  [ -n "${RKEOPS_TEST_TIMES:-}" ] && label="$label, $(($(date +%s) - started)) s"
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  counts=$(echo "$line" |
    sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/p')
  set -- $counts
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-0}))
  skipped=$((skipped + ${3:-0}))
  if [ -z "$line" ] || { [ $status -ne 0 ] && [ "${2:-0}" = 0 ]; }; then
    failed=$((failed + 1))
    line="$line (exit status $status)"
  fi
  echo "  $label: $line"
  [ $status -eq 0 ] && [ "${2:-0}" = 0 ] || sed 's/^/    /' "$log"
}

# close_tests BUILD PART: says the sum and writes it to BUILD/PART.counts; fails if a test did.
close_tests() {
  echo "$2: $passed passed, $failed failed, $skipped skipped"
  mkdir -p "$1"
  echo "$passed $failed $skipped" > "$1/$2.counts"
  [ "$failed" = 0 ]
}
