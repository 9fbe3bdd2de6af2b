#!/bin/sh
# gpu-check.sh [OUT [PART ...]]: checks rkeops on the NVIDIA GPU of this machine, in at most nine
# minutes. Needs the driver, NVRTC and gcc; no network, no R and no make unless R is to be tested.
# Run from the root of the sources. Parts, in this order (default: all):
#
#   tests     the engine's tests on the GPU: against naive evaluations, fresh random data every
#             time; the same bits in two runs, memory after 1e4 calls, interrupted and killed
#             processes
#   sanitize  one kernel of each kind under compute-sanitizer, where it is installed
#   bench     bench/gpu.sh: the table of speeds
#   r         the package and its R tests on the GPU, if RKEOPS_R_KIT is set
#
# OUT (.build/gpu-check/out) gets log, counts ("passed failed skipped"), the table, gpu-DATE.md, and
# its plots' data, gpu-DATE.tsv; all of them as far as it came, too. The last line is "N passed, N
# failed", the sum of all tests.
#
#   RKEOPS_R_KIT           a folder with r-kit.tar.gz, an R for machines without one, and
#                          install-r-kit.sh PREFIX, which unpacks it; then the table has calls from
#                          R, too
#   RKEOPS_PEERS, RKEOPS_BENCH_*   see bench/gpu.sh
#   RKEOPS_R_FILES         of the R tests only these files, an extended regular expression: gpu.*
#   RKEOPS_CHECK_SECONDS   for all parts together (530)
#   RKEOPS_CUDA_PATH, RKEOPS_NVRTC_PATH   other libraries, such as those of tests/cuda/README.md
set -u
out=${1:-.build/gpu-check/out}
[ $# -eq 0 ] || shift
parts=${*:-tests sanitize bench r}
work=.build/gpu-check
begun=$(date +%s)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
mkdir -p "$out" "$work" || exit 1
out=$(cd "$out" && pwd)
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

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
add() {
  passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
  echo "$passed $failed $skipped" > "$out/counts"
}
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
  echo "$processors processors; parts: $parts"
}

build() {
  within 120 sh tools/engine-build.sh "$work/engine" tests/cuda/test_gpu.c \
    tests/cuda/test_device.c tests/cuda/test_processes.c tests/engine/test_engine.c \
    tests/engine/test_programs.c tests/engine/test_derive.c tests/engine/test_random.c || {
    fail "the engine and its tests do not compile"
    return 1
  }
  echo "compiled after $(($(date +%s) - begun)) s"
}

# ---- tests of the engine ----

# begin_test SECONDS LABEL COMMAND...: a program that closes with "N passed, N failed", beside those
# that run already; compiling takes most of their time.
labels= cache=
begin_test() {
  seconds=$1 label=$2
  shift 2
  labels="$labels $label"
  rm -f "$work/$label.status"
  (
    since=$(date +%s)
    RKEOPS_CACHE=${cache:-$work/cache-$label} within "$seconds" "$@" > "$work/$label.log" 2>&1
    echo "$? $(($(date +%s) - since))" > "$work/$label.status"
  ) &
}

# Waits for those that run, and counts what they say.
end_tests() {
  wait
  for label in $labels; do
    status=1 took=0
    [ ! -s "$work/$label.status" ] || read -r status took < "$work/$label.status"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/$label.log" | tail -n 1)
    counts=$(echo "$line" |
      sed -nE 's/^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?.*/\1 \2 \4/p')
    echo "  $label: ${line:-no result} ($took s)"
    set -- $counts
    add "${1:-0}" "${2:-0}" "${3:-0}"
    if [ "$status" -eq 124 ]; then fail "$label took longer than $took s"
    elif [ "$status" -ne 0 ] && [ "${2:-0}" = 0 ]; then fail "$label ended with status $status"
    elif [ -z "$line" ]; then fail "$label gave no result"; fi
    [ "$status" -eq 0 ] || tail -n 40 "$work/$label.log" | cut -c 1-300 | sed 's/^/    /'
  done
  labels=
}

# Those of processes look at the memory of the whole device, so they run alone.
part_tests() {
  rm -rf "$work"/cache-*
  begin_test 240 test_gpu "$work/engine/test_gpu"
  begin_test 60 test_device "$work/engine/test_device"
  RKEOPS_TEST_DEVICE=0 begin_test 240 test_engine "$work/engine/test_engine"
  RKEOPS_TEST_DEVICE=0 begin_test 240 test_programs "$work/engine/test_programs"
  RKEOPS_TEST_DEVICE=0 begin_test 240 test_derive "$work/engine/test_derive"
  RKEOPS_TEST_DEVICE=0 begin_test 240 test_random "$work/engine/test_random" "$(date +%s)"
  end_tests
  begin_test 90 test_processes "$work/engine/test_processes"
  end_tests
}

# The kernels are compiled once, before.
part_sanitize() {
  PATH=$PATH:/usr/local/cuda/bin
  command -v compute-sanitizer >/dev/null 2>&1 || { skip "compute-sanitizer is not here"; return; }
  cache=$work/cache-kinds
  begin_test 90 kinds "$work/engine/test_gpu" kinds two_passes
  end_tests
  for tool in memcheck racecheck initcheck; do
    begin_test 150 "kinds-$tool" compute-sanitizer --tool $tool --error-exitcode 9 \
      "$work/engine/test_gpu" kinds two_passes
  done
  end_tests
  cache=
  grep -HE '(ERROR|RACECHECK) SUMMARY' "$work"/kinds-*.log | sed 's/^.*\//    /'
}

# ---- R ----

# Once, and outside the sources, which R CMD build copies.
install_r() {
  [ -n "${RKEOPS_R_KIT:-}" ] || { skip "R: RKEOPS_R_KIT is not set"; return 1; }
  command -v make >/dev/null 2>&1 || { skip "R: packages are installed with make"; return 1; }
  [ ! -e "$scratch/library/rkeops" ] || return 0
  [ ! -e "$scratch/r" ] || return 1
  BINDIR= within 60 bash "$RKEOPS_R_KIT/install-r-kit.sh" "$scratch/r" > "$work/r.log" 2>&1 &&
    PATH=$scratch/r/bin:$PATH within 120 sh tools/install.sh "$work/package" "$scratch/library" \
      >> "$work/r.log" 2>&1 && R_LIBS=$scratch/library && export R_LIBS || {
    fail "R or the package cannot be installed"
    tail -n 20 "$work/r.log" | sed 's/^/    /'
    return 1
  }
  echo "installed: $("$scratch/r/bin/Rscript" -e 'cat(R.version.string)') after" \
    "$(($(date +%s) - begun)) s"
}

# A process for each file, several at a time: each compiles its own kernels.
part_r() {
  install_r || return
  rm -rf "$work/r"
  mkdir -p "$work/r"
  most=$((processors / 2))
  [ $most -le 8 ] || most=8
  [ $most -ge 1 ] || most=1
  names=$(cd tests/testthat && ls test-*.R | sed 's/^test-//; s/[.]R$//' |
            grep -Ex "${RKEOPS_R_FILES:-.*}")
  echo "$names" | RKEOPS_TEST_GPU=1 PATH=$scratch/r/bin:$PATH within 400 \
    xargs -P $most -I NAME sh -c \
      'Rscript tools/r-tests.R "$1/$2.counts" "^$2\$" > "$1/$2.log" 2>&1' file "$work/r" NAME
  for name in $names; do
    log=$work/r/$name.log
    if [ -s "$work/r/$name.counts" ]; then
      read -r p f s < "$work/r/$name.counts"
      add "$p" "$f" "$s"
      echo "  $name: $p passed, $f failed, $s skipped"
      [ "$f" = 0 ] || grep -v '^$' "$log" | tail -n 40 | cut -c 1-200 | sed 's/^/    /'
    else
      fail "the R tests $name gave no result"
      [ ! -f "$log" ] || tail -n 10 "$log" | cut -c 1-200 | sed 's/^/    /'
    fi
  done
}

# ---- speed ----

# The peers end before the time does, so that the other cases are measured without them.
part_bench() {
  rscript=
  [ -z "${RKEOPS_R_KIT:-}" ] || { install_r && rscript=$scratch/r/bin/Rscript; }
  peers=$(($(limit 600) - 120))
  [ $peers -gt 5 ] || peers=5
  [ $peers -lt "${RKEOPS_PEERS_SECONDS:-240}" ] || peers=${RKEOPS_PEERS_SECONDS:-240}
  if RKEOPS_BENCH_BUILD=$work/engine RKEOPS_BENCH_RSCRIPT=$rscript RKEOPS_PEERS_SECONDS=$peers \
      within 600 sh bench/gpu.sh "$out"; then add 1 0 0; else fail "the benchmark"; fi
}

# ---- all ----

check() {
  add 0 0 0
  describe
  if build; then
    for part in $parts; do
      echo "== $part, after $(($(date +%s) - begun)) s"
      case $part in
        tests) part_tests ;;
        sanitize) part_sanitize ;;
        bench) part_bench ;;
        r) part_r ;;
        *) fail "unknown part '$part'" ;;
      esac
    done
  fi
  [ $skipped -eq 0 ] || also=", $skipped skipped"
  echo "$passed passed, $failed failed${also:-}"
}
rm -f "$out/counts"
check 2>&1 | tee "$out/log"
read -r passed failed skipped < "$out/counts" && [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
