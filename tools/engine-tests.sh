#!/bin/sh
# engine-tests.sh BUILD: compiles the engine and tests/engine/ with gcc and with clang (those that
# are there) under sanitizers, runs the tests, and writes "passed failed skipped" to the file
# BUILD/engine.counts.
set -u
build=$1
. tools/test-programs.sh

# Bytes of the vectors that this processor has, the widest last.
widths() {
  wide=16
  if grep -q -m 1 -w avx2 /proc/cpuinfo 2>/dev/null; then wide="16 32"; fi
  if grep -q -m 1 -w avx512f /proc/cpuinfo 2>/dev/null; then wide="16 32 64"; fi
  echo "$wide"
}

test_with() {
  echo "Engine tests with $1"
  dir=$build/engine-$(basename "$1")
  if ! engine_of "$1" WIDTHS="$math_widths"; then
    echo "  not everything compiles with $1"
    failed=$((failed + 1))
  fi
  for source in tests/engine/test_*.c; do
    program=$dir/$(basename "$source" .c)
    [ -x "$program" ] || continue
    case $again$program in
      \**/test_prune | \**/test_dense | \**/test_bound | \**/test_nvrtc)
        [ -n "${RKEOPS_TEST_FULL:-}" ] || continue ;;
    esac
    case $program in
      */test_derive | */test_rules | */test_nested | $again/test_random)
        RKEOPS_CC=$quick run_test "$program" ;;
      *) run_test "$program" ;;
    esac
  done
  for width in $math_widths; do
    [ -x "$dir/test_math-$width" ] && run_test "$dir/test_math-$width"
  done
}

# Once more with the kernels that processors with narrower vectors get.
test_vectors_with() {
  for width in $all_widths; do
    [ "$width" = "$widest" ] && return
    RKEOPS_VECTORS=$width run_test "$build/engine-$(basename "$1")/test_engine" "$width bytes"
  done
}

# Once more on the backend that evaluates plans as they stand.
test_reference_with() {
  for name in test_engine test_programs test_pairs; do
    RKEOPS_TEST_BACKEND=reference RKEOPS_TEST_SMALL=1 \
      run_test "$build/engine-$(basename "$1")/$name" reference
  done
}

# Once more on the backend that compiles nothing, with the loops for each kind of vectors.
test_builtin_with() {
  for width in $all_widths; do
    long=
    if [ "$width" = "$widest" ] || [ -n "${RKEOPS_TEST_FULL:-}" ]; then long=test_prune; fi
    for name in test_engine test_programs test_walk $long test_random test_sampled; do
      RKEOPS_TEST_BACKEND=builtin RKEOPS_TEST_SMALL=1 RKEOPS_VECTORS=$width \
        run_test "$build/engine-$(basename "$1")/$name" "builtin, $width bytes"
    done
  done
}

# Once more as in a process whose host has set a locale with a decimal comma, in which the small
# letter of I is no i and bytes beyond ASCII are letters. Kernels come from the cache of the runs
# before: their keys are the same.
test_locale_with() {
  dir=$build/engine-$(basename "$1")
  RKEOPS_TEST_LOCALE=tr_TR.ISO-8859-9 LOCPATH=$scratch/locales
  mkdir -p "$LOCPATH"
  if ! localedef -c -i tr_TR -f ISO-8859-9 "$LOCPATH/$RKEOPS_TEST_LOCALE" >/dev/null 2>&1; then
    echo "  skipped: tests under a decimal comma (localedef cannot make $RKEOPS_TEST_LOCALE)"
    skipped=$((skipped + 1))
    return
  fi
  export RKEOPS_TEST_LOCALE LOCPATH
  for name in test_locale test_plan test_programs; do
    [ -x "$dir/$name" ] && run_test "$dir/$name" "decimal comma"
  done
  [ -x "$dir/test_rules" ] && RKEOPS_CC=$quick run_test "$dir/test_rules" "decimal comma"
  unset RKEOPS_TEST_LOCALE LOCPATH
}

# Each allocation fails in turn, in a full run.
test_memory_with() {
  dir=$build/engine-$(basename "$1")
  [ -n "${RKEOPS_TEST_FULL:-}" ] || return 0
  engine_of "$1" "$dir/fail_memory" || failed=$((failed + 1))
  [ -x "$dir/fail_memory" ] && run_test "$dir/fail_memory"
}

quick=$(quick_compiler)
all_widths=$(widths)
widest=${all_widths##* }
math_widths=$widest
[ -n "${RKEOPS_TEST_FULL:-}" ] && math_widths=$all_widths
compilers=
for compiler in ${RKEOPS_TEST_COMPILERS:-gcc clang}; do
  command -v "$compiler" >/dev/null 2>&1 && compilers="$compilers $compiler"
done
# What takes minutes is left to a full run by the second compiler. Its engine finds its kernels in the cache, save those of test_random, whose
# formulas are others: arguments are computed in another order.
again=
for compiler in ${compilers:-cc}; do
  test_with "$compiler"
  again="*"
done
set -- ${compilers:-cc}
test_vectors_with "$1"
test_reference_with "$1"
test_builtin_with "$1"
test_locale_with "$1"
test_memory_with "$1"

close_tests "$build" engine
