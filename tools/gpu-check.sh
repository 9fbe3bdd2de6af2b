#!/bin/sh
# gpu-check.sh [OUT [PART ...]]: checks rkeops on the NVIDIA GPU of this machine, in at most nine
# minutes. Needs the driver, NVRTC and gcc; no network, no R and no make unless R is to be tested.
# Run from the root of the sources. Parts, in this order (default: all):
#
#   tests   the engine's tests on the GPU: against naive evaluations, fresh random data every time
#   r       the package and its R tests on the GPU, if RKEOPS_R_KIT is set
#   bench   bench/gpu.sh: the table of speeds
#
# OUT (.build/gpu-check/out) gets log, counts ("passed failed skipped") and the table, gpu-DATE.md.
# The last line is "N passed, N failed", the sum of all tests.
#
#   RKEOPS_R_KIT           a folder with r-kit.tar.gz, an R for machines without one, and
#                          install-r-kit.sh PREFIX, which unpacks it
#   RKEOPS_PEERS           see bench/gpu.sh
#   RKEOPS_SANITIZE=1      test_gpu once more under compute-sanitizer, where it is installed
#   RKEOPS_CHECK_SECONDS   for all parts together (530)
#   RKEOPS_CUDA_PATH, RKEOPS_NVRTC_PATH   other libraries, such as those of tests/cuda/README.md
set -u
out=${1:-.build/gpu-check/out}
[ $# -eq 0 ] || shift
parts=${*:-tests r bench}
work=.build/gpu-check
begun=$(date +%s)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$out" "$work" || exit 1
out=$(cd "$out" && pwd)

RKEOPS_INCLUDE=$(pwd)/inst/include/rkeops
export RKEOPS_INCLUDE

# limit SECONDS: that, or what is left for all parts.
limit() {
  left=$((${RKEOPS_CHECK_SECONDS:-530} - $(date +%s) + begun))
  [ $left -gt 1 ] || left=1
  [ $left -lt "$1" ] && echo $left || echo "$1"
}

# within SECONDS COMMAND...: status 124 when it took longer.
within() {
  seconds=$(limit "$1")
  shift
  timeout -k 5 "$seconds" "$@"
}

passed=0 failed=0 skipped=0
add() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
fail() {
  echo "FAILED: $1"
  add 0 1 0
}
skip() {
  echo "skipped: $1"
  add 0 0 1
}

# ---- what is here ----

describe() {
  date -u '+%Y-%m-%d %H:%M UTC'
  nvidia-smi --query-gpu=index,name,driver_version,memory.total --format=csv,noheader 2>/dev/null ||
    echo "no nvidia-smi"
  for name in libcuda libnvrtc; do
    echo "$name: $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p 2>/dev/null |
                   sed -n "s/.*$name\.so.* => //p" | tr '\n' ' ')"
  done
  [ -z "${RKEOPS_CUDA_PATH:-}" ] || echo "driver used: $RKEOPS_CUDA_PATH"
  [ -z "${RKEOPS_NVRTC_PATH:-}" ] || echo "NVRTC used: $RKEOPS_NVRTC_PATH"
  ${CC:-gcc} --version | head -n 1
  echo "$(getconf _NPROCESSORS_ONLN) processors; parts: $parts"
}

build() {
  within 120 sh tools/engine-build.sh "$work/engine" tests/cuda/test_gpu.c \
    tests/cuda/test_device.c tests/engine/test_engine.c tests/engine/test_programs.c \
    tests/engine/test_derive.c tests/engine/test_random.c || {
    fail "the engine and its tests do not compile"
    return 1
  }
  echo "compiled after $(($(date +%s) - begun)) s"
}

# ---- tests of the engine ----

# run_test SECONDS LABEL COMMAND...: a program that closes with "N passed, N failed".
run_test() {
  seconds=$1 label=$2
  shift 2
  since=$(date +%s)
  RKEOPS_CACHE=$work/cache-$label within "$seconds" "$@" > "$work/$label.log" 2>&1
  status=$?
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/$label.log" | tail -n 1)
  counts=$(echo "$line" |
    sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/p')
  echo "  $label: ${line:-no result} ($(($(date +%s) - since)) s)"
  set -- $counts
  add "${1:-0}" "${2:-0}" "${3:-0}"
  if [ $status -eq 124 ]; then fail "$label took longer than $(limit "$seconds") s"
  elif [ $status -ne 0 ] && [ "${2:-0}" = 0 ]; then fail "$label ended with status $status"
  elif [ -z "$line" ]; then fail "$label gave no result"; fi
  [ $status -eq 0 ] || tail -n 40 "$work/$label.log" | cut -c 1-300 | sed 's/^/    /'
}

sanitize() {
  command -v compute-sanitizer >/dev/null 2>&1 || { skip "compute-sanitizer is not here"; return; }
  for tool in memcheck racecheck initcheck; do
    RKEOPS_TEST_SMALL=1 run_test 90 "test_gpu-$tool" compute-sanitizer --tool $tool \
      --error-exitcode 9 "$work/engine/test_gpu"
    grep -E '(ERROR|RACECHECK) SUMMARY' "$work/test_gpu-$tool.log" | sed 's/^/    /'
  done
}

part_tests() {
  rm -rf "$work"/cache-*
  run_test 60 test_device "$work/engine/test_device"
  run_test 150 test_gpu "$work/engine/test_gpu"
  export RKEOPS_TEST_DEVICE=0
  run_test 90 test_engine "$work/engine/test_engine"
  run_test 60 test_programs "$work/engine/test_programs"
  run_test 90 test_derive "$work/engine/test_derive"
  run_test 120 test_random "$work/engine/test_random" "$(date +%s)"
  unset RKEOPS_TEST_DEVICE
  [ -z "${RKEOPS_SANITIZE:-}" ] || sanitize
}

# ---- R ----

# Outside the sources, which R CMD build copies.
install_r() {
  BINDIR= within 60 bash "$RKEOPS_R_KIT/install-r-kit.sh" "$scratch/r" > "$work/r.log" 2>&1 &&
    PATH=$scratch/r/bin:$PATH within 120 sh tools/install.sh "$scratch/library" "$work/package" \
      >> "$work/r.log" 2>&1
}

part_r() {
  [ -n "${RKEOPS_R_KIT:-}" ] || { skip "R: RKEOPS_R_KIT is not set"; return; }
  command -v make >/dev/null 2>&1 || { skip "R: packages are installed with make"; return; }
  install_r || {
    fail "R or the package cannot be installed"
    tail -n 20 "$work/r.log" | sed 's/^/    /'
    return
  }
  echo "installed: $("$scratch/r/bin/Rscript" -e 'cat(R.version.string)')"
  rm -f "$work/r.counts"
  R_LIBS=$scratch/library RKEOPS_TEST_GPU=1 PATH=$scratch/r/bin:$PATH \
    within 240 Rscript tools/r-tests.R "$work/r.counts" > "$work/r.log" 2>&1
  status=$?
  grep '^R: ' "$work/r.log"
  if [ -s "$work/r.counts" ]; then
    read -r p f s < "$work/r.counts"
    add "$p" "$f" "$s"
    [ "$f" = 0 ] || grep -v '^$' "$work/r.log" | tail -n 80 | cut -c 1-200 | sed 's/^/    /'
  else
    fail "the R tests ended with status $status"
    tail -n 40 "$work/r.log" | cut -c 1-200 | sed 's/^/    /'
  fi
}

# ---- speed ----

# The peers end before the time does: their table has what they measured until then.
part_bench() {
  peers=$(($(limit 600) - 120))
  [ $peers -gt 5 ] || peers=5
  [ $peers -lt 240 ] || peers=240
  RKEOPS_BENCH_BUILD=$work/engine RKEOPS_PEERS_SECONDS=$peers within 600 sh bench/gpu.sh "$out" &&
    add 1 0 0 || fail "the benchmark"
}

# ---- all ----

check() {
  describe
  if build; then
    for part in $parts; do
      echo "== $part, after $(($(date +%s) - begun)) s"
      case $part in
        tests) part_tests ;;
        r) part_r ;;
        bench) part_bench ;;
        *) fail "unknown part '$part'" ;;
      esac
    done
  fi
  echo "$passed $failed $skipped" > "$out/counts"
  [ $skipped -eq 0 ] || also=", $skipped skipped"
  echo "$passed passed, $failed failed${also:-}"
}
rm -f "$out/counts"
check 2>&1 | tee "$out/log"
read -r passed failed skipped < "$out/counts" && [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
