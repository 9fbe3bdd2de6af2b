#!/bin/sh
# All scripts of bench/, one after the other; figures go to bench/results/.
set -u
status=0
for script in bench/gauss.R bench/reductions.R bench/latency.R bench/robust.R bench/peers.R; do
  echo "== $script"
  Rscript $script || status=1
done
exit $status
