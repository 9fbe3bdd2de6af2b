#!/bin/sh
# engine-tests.sh BUILD: compiles the engine and tests/engine/ with gcc and with clang (those that
# are there) under sanitizers, runs the tests, and writes "passed failed skipped" to the file
# BUILD/engine.counts. A test program ends with a line "N passed, N failed"; one that does not
# counts as a failure.
set -u
build=$1
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

RKEOPS_INCLUDE=$(pwd)/inst/include/rkeops
RKEOPS_CACHE=$scratch/cache
R_USER_CACHE_DIR=$scratch/cache
ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export RKEOPS_INCLUDE RKEOPS_CACHE R_USER_CACHE_DIR ASAN_OPTIONS UBSAN_OPTIONS

passed=0
failed=0
skipped=0

# accepts COMPILER FLAGS...: can it build a program with these flags?
accepts() {
  printf '%s\nint main(void) { return 0; }\n' "${header:-}" > "$scratch/probe.c"
  "$@" "$scratch/probe.c" -o "$scratch/probe" >/dev/null 2>&1
}

flags_for() {
  flags="-O1 -g"
  sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"
  if accepts "$1" $sanitizers; then flags="$flags $sanitizers"
  else echo "  $1 has no sanitizers here: plain build" >&2; fi
  header='#include <omp.h>' accepts "$1" -fopenmp && flags="$flags -fopenmp"
  echo "$flags"
}

kernel_flags_for() {
  flags="-O2 -fno-math-errno -fno-trapping-math -ffp-contract=fast"
  if accepts "$1" -march=native; then flags="$flags -march=native"; fi
  header='#include <omp.h>' accepts "$1" -fopenmp && flags="$flags -fopenmp"
  echo "$flags"
}

# Widths of vectors in bytes, the widest that this processor has; all of them in a full run.
widths() {
  wide=16
  if grep -q -m 1 -w avx2 /proc/cpuinfo 2>/dev/null; then wide="16 32"; fi
  if grep -q -m 1 -w avx512f /proc/cpuinfo 2>/dev/null; then wide="16 32 64"; fi
  if [ -n "${RKEOPS_TEST_FULL:-}" ]; then echo "$wide"; else echo "${wide##* }"; fi
}

run_test() {
  log=$scratch/$(basename "$1").log
  arguments=
  case ${RKEOPS_TEST_FULL:+full}-$(basename "$1") in
    full-test_math*) arguments=--full ;;
  esac
  "$1" $arguments >"$log" 2>&1
  status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  counts=$(echo "$line" |
    sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/p')
  set -- "$1" $counts
  passed=$((passed + ${2:-0}))
  failed=$((failed + ${3:-0}))
  skipped=$((skipped + ${4:-0}))
  if [ -z "$line" ] || { [ $status -ne 0 ] && [ "${3:-0}" = 0 ]; }; then
    failed=$((failed + 1))
    line="$line (exit status $status)"
  fi
  echo "  $(basename "$1"): $line"
  [ $status -eq 0 ] && [ "${3:-0}" = 0 ] || sed 's/^/    /' "$log"
}

test_with() {
  echo "Engine tests with $1"
  dir=$build/engine-$(basename "$1")
  if ! make --no-print-directory -k -j"$jobs" -f tools/engine.mk \
       CC="$1" DIR="$dir" FLAGS="$(flags_for "$1")" \
       KERNEL_FLAGS="$(kernel_flags_for "$1")" WIDTHS="$math_widths"
  then
    echo "  not everything compiles with $1"
    failed=$((failed + 1))
  fi
  for source in tests/engine/test_*.c; do
    program=$dir/$(basename "$source" .c)
    [ -x "$program" ] && run_test "$program"
  done
  for width in $math_widths; do
    [ -x "$dir/test_math-$width" ] && run_test "$dir/test_math-$width"
  done
}

math_widths=
[ -f tests/engine/test_math.c ] && math_widths=$(widths)
unset MAKEFLAGS MFLAGS MAKELEVEL
compilers=
for compiler in ${RKEOPS_TEST_COMPILERS:-gcc clang}; do
  command -v "$compiler" >/dev/null 2>&1 && compilers="$compilers $compiler"
done
for compiler in ${compilers:-cc}; do test_with "$compiler"; done

echo "Engine: $passed passed, $failed failed, $skipped skipped"
mkdir -p "$build"
echo "$passed $failed $skipped" > "$build/engine.counts"
[ "$failed" = 0 ]
