#!/bin/sh
# random.sh BUILD [FORMULAS [SEED]]: so many random formulas (300) from a seed on (20261), see
# tests/engine/test_random.c, on the CPU and, beside that, as CUDA text on the stand-ins of
# tests/cuda (two of them), without sanitizers. Writes "passed failed skipped" to the file
# BUILD/random.counts. Kernels are not optimised, save in a full run (RKEOPS_TEST_FULL=1);
# tests/engine/test_random.c runs with the true flags, too. RKEOPS_STANDIN_CACHE may name a folder
# that keeps compiled kernels.
set -u
build=$1
formulas=${2:-300}
seed=${3:-20261}
. tools/test-programs.sh

dir=$build/random
TMPDIR=$scratch
export TMPDIR
passed=0 failed=0 skipped=0

compiler=gcc
command -v gcc >/dev/null 2>&1 || compiler=cc
flags="-O2 -g"

# build TARGET...
build() {
  make --no-print-directory -k -j"$jobs" -f tools/engine.mk CC=$compiler DIR="$dir" \
       FLAGS="$flags" "$@" && return
  echo "  not everything compiles"
  failed=$((failed + 1))
  return 1
}

on_cpu() {
  RKEOPS_CC=$(quick_compiler) "$dir/test_random" "$seed" "$formulas" > "$scratch/cpu.log" 2>&1
}

on_standins() {
  here=$(cd "$dir" && pwd)
  RKEOPS_CUDA_PATH=$here/libcuda.so.1 RKEOPS_NVRTC_PATH=$here/libnvrtc.so \
  RKEOPS_STANDIN_CACHE=${RKEOPS_STANDIN_CACHE:-$scratch/kernels} RKEOPS_CACHE=$scratch/cache-gpu \
  RKEOPS_STANDIN_DEVICES=2 RKEOPS_TEST_DEVICE=0,1 \
  RKEOPS_STANDIN_CXX="${RKEOPS_STANDIN_CXX:-g++ -O0}" \
    "$dir/test_random" "$seed" "$formulas" > "$scratch/gpu.log" 2>&1
}

# count LABEL LOG
count() {
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$2" | tail -n 1)
  set -- "$1" "$2" $(echo "$line" | sed 's/[^0-9]/ /g')
  passed=$((passed + ${3:-0}))
  failed=$((failed + ${4:-0}))
  [ -n "$line" ] || { failed=$((failed + 1)); line="did not come to its end"; }
  echo "  $formulas random formulas from seed $seed $1: $line"
  case $line in *" 0 failed"*) ;; *) sed 's/^/    /' "$2" ;; esac
}

echo "Random formulas"
if build "$dir/test_random"; then
  on_standins=
  if command -v g++ >/dev/null 2>&1 && [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] &&
     build standins
  then
    mkdir -p "$scratch/kernels"
    on_standins &
    on_standins=1
  else
    echo "  skipped: CUDA text (the stand-ins need g++ on Linux on x86-64)"
    skipped=$((skipped + 1))
  fi
  on_cpu
  wait
  count "on the CPU" "$scratch/cpu.log"
  [ -z "$on_standins" ] || count "as CUDA text" "$scratch/gpu.log"
fi
close_tests "$build" random
