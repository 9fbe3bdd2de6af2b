#!/bin/sh
# Engine tests, CUDA tests without a GPU, random formulas, R tests; closes with "N passed, N failed"
# (", N skipped" may follow), the sum of all, and keeps the three numbers in .build/counts.
set -u
build=.build
mkdir -p $build
rm -f $build/counts $build/*.counts

sh tools/engine-tests.sh $build
sh tools/cuda-tests.sh $build
sh tools/random.sh $build ${RKEOPS_TEST_FULL:+2000}

# The R tests of GPUs run on the same stand-ins, without sanitizers.
if command -v g++ >/dev/null 2>&1 && [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] &&
   MAKEFLAGS= make --no-print-directory -f tools/engine.mk CC=gcc DIR=$build/standins FLAGS=-O1 \
     standins
then
  RKEOPS_STANDIN_DIR=$(pwd)/$build/standins
  export RKEOPS_STANDIN_DIR
fi
Rscript tools/r-tests.R $build/r.counts

passed=0
failed=0
skipped=0
for part in engine cuda random r; do
  if [ -s $build/$part.counts ]; then
    read -r p f s < $build/$part.counts
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
  else
    echo "The $part tests did not come to their end."
    failed=$((failed + 1))
  fi
done
echo "$passed $failed $skipped" > $build/counts

line="$passed passed, $failed failed"
[ $skipped -gt 0 ] && line="$line, $skipped skipped"
echo "$line"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
