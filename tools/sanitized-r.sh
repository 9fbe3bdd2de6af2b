#!/bin/sh
# sanitized-r.sh BUILD: builds the package with the address and the undefined behaviour sanitizer
# of gcc and runs R tests on it (reductions, LazyTensors; RKEOPS_TEST_FILES="a|b": others). Writes
# "passed failed skipped" to the file BUILD/sanitized.counts; a word of a sanitizer is a failure.
set -u
build=$1
. tools/test-programs.sh

library=$(pwd)/$build/sanitized
case "$(R CMD config CC)" in gcc*) ;; *) compiler=other ;; esac
if [ -n "${compiler:-}" ] || ! accepts gcc $sanitizers; then
  echo "R tests under sanitizers are skipped: R was not built with a gcc that has them"
  skipped=1
  close_tests "$build" sanitized
  exit 0
fi

mkdir -p "$library"
{
  echo "CFLAGS = -O1 -g $sanitizers"
  echo "LDFLAGS = $sanitizers"
} > "$scratch/Makevars"
# The sanitizer comes before R itself, which is not built with it and does not free everything.
run_sanitized() {
  LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" \
  ASAN_OPTIONS=detect_leaks=0:intercept_strstr=0:log_path="$scratch/said" \
  UBSAN_OPTIONS=print_stacktrace=1:log_path="$scratch/said" R_LIBS="$library" "$@"
}
mkdir "$scratch/source"
cp -R DESCRIPTION NAMESPACE LICENSE R inst src "$scratch/source"
find "$scratch/source/src" -name '*.o' -delete -o -name '*.so' -delete
log=$build/sanitized-install.log
if ! MAKEFLAGS=-j$jobs R_MAKEVARS_USER=$scratch/Makevars R CMD INSTALL --no-test-load --no-docs \
     --library="$library" "$scratch/source" > "$log" 2>&1
then
  cat "$log"
  echo "  the package does not install with sanitizers"
  failed=1
else
  echo "R tests under the address and the undefined behaviour sanitizer"
  run_sanitized Rscript tools/r-tests.R "$scratch/counts" \
    "^(${RKEOPS_TEST_FILES:-reductions|lazytensor})$" > "$scratch/log" 2>&1
  grep '^R: ' "$scratch/log"
  if read -r passed failed skipped < "$scratch/counts"; then
    [ "$failed" -eq 0 ] || cat "$scratch/log"
  else
    cat "$scratch/log"
    failed=1
  fi
  for said in "$scratch"/said.*; do
    [ -s "$said" ] || continue
    cat "$said"
    failed=$((failed + 1))
  done
fi
close_tests "$build" sanitized
