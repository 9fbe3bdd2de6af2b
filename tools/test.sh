#!/bin/sh
# Engine tests, CUDA tests without a GPU, random formulas, R tests (all of them without a compiler,
# too, and some with every kernel compiled), and whether what `make docs` writes is there, beside each
# other; in a full run (RKEOPS_TEST_FULL=1) the package under sanitizers and gctorture, the engine for
# other systems and texts of a fuzzer, too. Closes with what failed and "N passed, N failed" (", N
# skipped" may follow), the sum of all; keeps the three numbers in .build/counts, and what failed in
# .build/failures. `test.sh PART` runs one of them and says what it said at its end.
set -u
build=.build
mkdir -p $build

# The R tests of GPUs run on the stand-ins of the CUDA tests, without sanitizers.
r_tests() {
  if command -v g++ >/dev/null 2>&1 && [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] &&
     MAKEFLAGS= make --no-print-directory -f tools/engine.mk CC=gcc DIR=$build/standins \
       FLAGS=-O1 standins
  then
    RKEOPS_STANDIN_DIR=$(pwd)/$build/standins
    export RKEOPS_STANDIN_DIR
  fi
  Rscript tools/r-tests.R $build/r.counts
}

# Most calls of R tests are small, and so interpreted: the values of those that ask for much of the
# engine with every kernel compiled, too; and all of them as on a machine without a compiler.
compiled_tests() {
  files="complex|gradient|kernel|lazytensor|pairs|programs|prune|reductions|restrict"
  RKEOPS_TEST_ENGINE=compiled Rscript tools/r-tests.R $build/compiled.counts "^($files)$"
}

bare_tests() {
  RKEOPS_TEST_NO_COMPILER=1 Rscript tools/r-tests.R $build/bare.counts
}

run_part() {
  case $1 in
    engine) sh tools/engine-tests.sh $build ;;
    cuda) sh tools/cuda-tests.sh $build ;;
    random) sh tools/random.sh $build ${RKEOPS_TEST_FULL:+2000} ;;
    docs) sh tools/docs.sh $build ;;
    r) r_tests ;;
    compiled) compiled_tests ;;
    bare) bare_tests ;;
    sanitized) sh tools/sanitized-r.sh $build ;;
    portable) sh tools/portable.sh $build ;;
    fuzz) sh tools/fuzz.sh $build ;;
    gctorture) Rscript tools/gctorture.R $build/gctorture.counts ;;
  esac
}

if [ $# -gt 0 ]; then
  started=$(date +%s)
  run_part "$1" > "$build/$1.log" 2>&1
  cat "$build/$1.log"
  echo "The $1 tests took $(($(date +%s) - started)) s"
  exit 0
fi

# What a part says of its failures: of the R tests the reporter's list, of programs the lines that
# do not end well.
failures_of() {
  echo "Failures of the $1 tests:"
  case $1 in
    r|bare|compiled) sed -n '/══ Failed/,/══ DONE/p' "$build/$1.log" ;;
    *) grep -v -e ' 0 failed' -e '^  skipped' "$build/$1.log" ;;
  esac | cut -c1-300 | tail -n 60
}

# In this order few are left alone at the end: `engine` and `r` are one process most of the time,
# `random` and `cuda` two.
parts="engine compiled r docs random cuda bare${RKEOPS_TEST_FULL:+ sanitized gctorture portable fuzz}"
rm -f $build/counts $build/*.counts $build/failures
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
unset MAKEFLAGS MFLAGS MAKELEVEL
# Two parts share these programs; what does not compile they say.
(. tools/test-programs.sh && engine_of gcc all cuda) >/dev/null 2>&1
printf '%s\n' $parts | xargs -P "$jobs" -I PART sh tools/test.sh PART

passed=0
failed=0
skipped=0
for part in $parts; do
  if [ -s $build/$part.counts ]; then
    read -r p f s < $build/$part.counts
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    [ "$f" -eq 0 ] || failures_of $part >> $build/failures
  else
    echo "The $part tests did not come to their end." >> $build/failures
    tail -n 20 $build/$part.log >> $build/failures 2>/dev/null
    failed=$((failed + 1))
  fi
done
echo "$passed $failed $skipped" > $build/counts

[ ! -f $build/failures ] || cat $build/failures
line="$passed passed, $failed failed"
[ $skipped -gt 0 ] && line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
