#!/bin/sh
# Engine tests, CUDA tests without a GPU, R tests; closes with "N passed, N failed" (", N skipped"
# may follow), the sum of all, and keeps the three numbers in .build/counts.
set -u
build=.build
mkdir -p $build
rm -f $build/counts $build/*.counts

sh tools/engine-tests.sh $build
sh tools/cuda-tests.sh $build
Rscript tools/r-tests.R $build/r.counts

passed=0
failed=0
skipped=0
for part in engine cuda r; do
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
