#!/bin/sh
# cuda-tests.sh BUILD: the CUDA backend without a GPU. Compiles the engine, tests/cuda/ and the
# stand-ins for the driver and NVRTC with gcc, runs the tests under the address and the undefined
# behaviour sanitizer and, in executables of their own, under the thread sanitizer, and writes
# "passed failed skipped" to the file BUILD/cuda.counts. RKEOPS_STANDIN_CACHE may name a folder that
# keeps compiled kernels from one run to the next.
set -u
build=$1
. tools/test-programs.sh

RKEOPS_STANDIN_CACHE=${RKEOPS_STANDIN_CACHE:-$scratch/kernels}
RKEOPS_CUDA_MUTANTS=$(pwd)/tests/cuda/mutants.txt
TSAN_OPTIONS=${TSAN_OPTIONS:-atexit_sleep_ms=0:intercept_strstr=0}
TMPDIR=$scratch
export RKEOPS_STANDIN_CACHE RKEOPS_CUDA_MUTANTS TSAN_OPTIONS TMPDIR
mkdir -p "$RKEOPS_STANDIN_CACHE"

# skip WHAT WHY
skip() {
  echo "  skipped: $1 ($2)"
  skipped=$((skipped + 1))
}

# compiled FLAGS COMMAND...
compiled() {
  with=$1
  shift
  "$@" && return
  echo "  not everything compiles with $with"
  failed=$((failed + 1))
}

# use NAME FLAGS: the stand-ins of BUILD/NAME; kernels are compiled with FLAGS.
use() {
  dir=$(cd "$build/$1" && pwd)
  RKEOPS_CUDA_PATH=$dir/libcuda.so.1
  RKEOPS_NVRTC_PATH=$dir/libnvrtc.so
  RKEOPS_CACHE=$scratch/cache-$1
  RKEOPS_TEST_PLAIN_CXX="g++ -O1 $uninitialised"
  RKEOPS_STANDIN_CXX="$RKEOPS_TEST_PLAIN_CXX $2"
  export RKEOPS_CUDA_PATH RKEOPS_NVRTC_PATH RKEOPS_CACHE RKEOPS_TEST_PLAIN_CXX RKEOPS_STANDIN_CXX
}

# run_in ORDER LAZY PROGRAM
run_in() {
  [ -x "$dir/$3" ] || return 0
  RKEOPS_EMULATOR_ORDER=$1 RKEOPS_STANDIN_LAZY=$2 \
    run_test "$dir/$3" "$1, $([ "$2" = 1 ] && echo lazy || echo eager)"
}

# For kernels: without what costs most when they are compiled and finds what a fault shows anyway.
kernel_sanitizers="$sanitizers -fno-sanitize=null,pointer-overflow,object-size"
kernel_sanitizers="$kernel_sanitizers -fsanitize-sections=rk_shared --param asan-use-after-return=0"

# Programs that look at the stand-ins or at devices choose orders and schedules themselves.
test_address() {
  use engine-gcc "$kernel_sanitizers"
  for source in tests/cuda/test_*.c; do
    program=$dir/cuda/$(basename "$source" .c)
    case $program in
      */test_gpu | */test_lists | */test_faults | */test_processes) ;;
      *) [ -x "$program" ] && run_test "$program" ;;
    esac
  done
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in forward 1 test_engine
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in shuffled 0 test_programs
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_STANDIN_DEVICES=2 RKEOPS_TEST_SMALL=1 \
    run_in forward 1 test_programs
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in shuffled 0 test_nested
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_STANDIN_DEVICES=2 RKEOPS_TEST_SMALL=1 \
    run_in backward 1 test_nested
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_STANDIN_DEVICES=2 RKEOPS_TEST_SMALL=1 \
    run_in backward 0 test_random
  RKEOPS_STANDIN_DEVICES=3
  export RKEOPS_STANDIN_DEVICES
  run_in forward 0 cuda/test_gpu
  RKEOPS_TEST_SMALL=1 run_in backward 1 cuda/test_gpu
  [ -n "${RKEOPS_TEST_FULL:-}" ] && run_in shuffled 1 cuda/test_lists
  RKEOPS_TEST_SMALL=1 run_in shuffled 0 cuda/test_gpu
}

test_threads() {
  use cuda-thread -fsanitize=thread
  for program in mutants device; do
    [ -x "$dir/cuda/test_$program" ] && run_test "$dir/cuda/test_$program"
  done
  RKEOPS_TEST_SMALL=1 RKEOPS_STANDIN_DEVICES=3 run_in forward 1 cuda/test_gpu
  [ -n "${RKEOPS_TEST_FULL:-}" ] &&
    RKEOPS_TEST_SMALL=1 RKEOPS_STANDIN_DEVICES=3 run_in forward 1 cuda/test_lists
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_TEST_SMALL=1 RKEOPS_STANDIN_DEVICES=2 run_in forward 1 test_nested
}

# What the host does after errors, and derivatives: without sanitizers in kernels, for speed; those
# of derivatives are many and run for a moment, so they are not optimised either.
test_faults() {
  use engine-gcc ""
  RKEOPS_CACHE=$scratch/cache-faults
  [ -x "$dir/cuda/test_faults" ] && run_test "$dir/cuda/test_faults"
  RKEOPS_TEST_SMALL=1 run_in forward 0 cuda/test_processes
  RKEOPS_STANDIN_CXX="g++ -O0 $uninitialised"
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in forward 1 test_offsets
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in backward 0 test_walk
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in forward 0 test_pairs
  RKEOPS_TEST_DEVICE=0 RKEOPS_TEST_SMALL=1 run_in forward 0 test_sampled
  RKEOPS_TEST_SMALL=1 RKEOPS_STANDIN_DEVICES=3 run_in shuffled 1 cuda/test_lists
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_STANDIN_DEVICES=2 RKEOPS_TEST_SMALL=1 \
    run_in shuffled 1 test_derive
}

# Each allocation of the host fails in turn, in a full run.
test_memory() {
  [ -n "${RKEOPS_TEST_FULL:-}" ] || return 0
  use engine-gcc ""
  RKEOPS_CACHE=$scratch/cache-memory
  RKEOPS_TEST_DEVICE=0,1 RKEOPS_STANDIN_DEVICES=2 run_in forward 1 fail_memory
}

# The benchmark of GPUs, which nobody runs for months: does it still build, run and compute right?
test_bench() {
  use engine-gcc ""
  RKEOPS_BENCH_BUILD=$dir CC="gcc $sanitizers" RKEOPS_PEERS=no RKEOPS_BENCH_DIVIDE=10000 \
    RKEOPS_BENCH_CASES='gauss|nearest' sh bench/gpu.sh "$scratch/bench" > "$scratch/bench.log" 2>&1
  status=$?
  rows=$(cat "$scratch"/bench/*.tsv 2>/dev/null | grep -c '^N.*rkeops, kernel')
  if [ $status -eq 0 ] && [ "$rows" = 1 ]; then
    passed=$((passed + 1))
    echo "  bench/gpu.sh: 1 passed"
  else
    failed=$((failed + 1))
    echo "  bench/gpu.sh: status $status, $rows rows"
    tail -n 30 "$scratch/bench.log" | cut -c 1-200 | sed 's/^/    /'
  fi
}

# Runs functions one after another, beside others: says what they said at the end, adds their sums.
beside() {
  (
    passed=0 failed=0 skipped=0 lane=-beside
    for part; do $part; done > "$scratch/beside.log" 2>&1
    echo "$passed $failed $skipped" > "$scratch/beside.counts"
  ) &
}
join_beside() {
  wait
  cat "$scratch/beside.log"
  read -r p f s < "$scratch/beside.counts" || { p=0; f=1; s=0; }
  passed=$((passed + p))
  failed=$((failed + f))
  skipped=$((skipped + s))
}

uninitialised=
if ! command -v g++ >/dev/null 2>&1 || ! command -v gcc >/dev/null 2>&1; then
  skip "the CUDA tests" "there is no g++"
elif [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  skip "the CUDA tests" "the stand-ins are for Linux on x86-64"
elif ! accepts gcc $sanitizers || ! accepts g++ $sanitizers; then
  skip "the CUDA tests" "gcc has no address sanitizer here"
else
  accepts g++ -ftrivial-auto-var-init=pattern && uninitialised=-ftrivial-auto-var-init=pattern
  second=
  echo "CUDA tests under the address sanitizer and, beside them, the thread sanitizer"
  compiled "$sanitizers" engine_of gcc cuda
  if accepts gcc -fsanitize=thread && accepts g++ -fsanitize=thread; then
    compiled -fsanitize=thread make --no-print-directory -k -j"$jobs" -f tools/engine.mk CC=gcc \
      DIR="$build/cuda-thread" FLAGS="-O1 -g -fsanitize=thread" STANDIN_FLAGS="-O1 -g" cuda
    second=test_threads
  else
    skip "thread sanitizer" "gcc has none here"
  fi
  beside $second test_faults test_memory test_bench
  test_address
  join_beside
fi
close_tests "$build" cuda
