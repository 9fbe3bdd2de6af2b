#!/bin/sh
# fuzz.sh BUILD [RUNS [SEED]]: texts that libFuzzer makes up go from the parser to both sources
# (tests/engine/fuzz_program.c), under the address and the undefined behaviour sanitizer. Writes
# "passed failed skipped" to the file BUILD/fuzz.counts. RKEOPS_FUZZ_CORPUS may name a folder that
# keeps what was found from one run to the next.
set -u
build=$1
runs=${2:-20000}
seed=${3:-20261}
. tools/test-programs.sh

echo "Fuzzing, $runs runs from seed $seed"
dir=$build/fuzz
flags="-O1 -g $sanitizers"
if ! printf 'int LLVMFuzzerTestOneInput(const char *x, long n) { return x && n < 0; }\n' \
     > "$scratch/probe-fuzzer.c" ||
   ! clang $sanitizers -fsanitize=fuzzer "$scratch/probe-fuzzer.c" -o "$scratch/probe" 2>/dev/null
then
  echo "  skipped: there is no clang with libFuzzer"
  skipped=1
elif make --no-print-directory -k -j"$jobs" -f tools/engine.mk CC=clang DIR="$dir" \
       FLAGS="$flags -fsanitize=fuzzer-no-link" "$dir/fuzz_program"
then
  corpus=${RKEOPS_FUZZ_CORPUS:-$scratch/corpus}
  mkdir -p "$corpus"
  if "$dir/fuzz_program" -runs="$runs" -seed="$seed" -max_len=600 -timeout=100 -rss_limit_mb=4096 \
       -print_final_stats=1 -artifact_prefix="$build/" "$corpus" > "$scratch/fuzz.log" 2>&1
  then
    passed=1
    grep -E '^stat::(number_of_executed|average)' "$scratch/fuzz.log" | sed 's/^/  /'
  else
    failed=1
    tail -n 60 "$scratch/fuzz.log" | sed 's/^/    /'
  fi
else
  failed=1
fi
close_tests "$build" fuzz
