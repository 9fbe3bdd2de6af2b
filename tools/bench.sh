#!/bin/sh
# All scripts of bench/, one after the other; figures go to bench/results/.
set -u
status=0
for name in gauss reductions gradient latency overhead builtin chains robust peers; do
  echo "== bench/$name.R"
  Rscript bench/$name.R || status=1
done
exit $status
