#!/bin/sh
# gpu.sh [OUT]: speed on the first GPU of this machine, beside PyKeOps and PyTorch where they are
# there, as a table in OUT/gpu-DATE.md (default: bench/results), and what bench/gpu_plots.R draws in
# OUT/gpu-DATE.tsv. Both are written anew after each case, so that what was measured is kept when
# something ends early. Needs a driver, NVRTC and gcc; for the peers python3 with PyTorch; for calls
# from R an R with the package.
#
#   RKEOPS_BENCH_BUILD    a folder where tools/engine-build.sh has left libengine.a
#   RKEOPS_BENCH_CASES    an extended regular expression: only these keys of bench/gpu.c, and
#                         nothing else
#   RKEOPS_BENCH_RSCRIPT  an Rscript that finds the package rkeops: calls from R, too
#   RKEOPS_PEERS          a folder with PyKeOps and what it needs, as source packages or wheels;
#                         installed without network into a scratch folder. "no": no peers
#   RKEOPS_BENCH_PYTHON   the python3 to use
#   RKEOPS_PEERS_SECONDS  for all cases of the peers together (240); later cases are without them
#   RKEOPS_BENCH_DIVIDE   divides all sizes, to try this out
set -u
out=${1:-bench/results}
name=gpu-$(date +%Y-%m-%d)
scratch=$(mktemp -d)
trap 'kill ${helpers:-} 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
trap '' PIPE
python=${RKEOPS_BENCH_PYTHON:-python3}
rscript=${RKEOPS_BENCH_RSCRIPT:-}
RKEOPS_INCLUDE=${RKEOPS_INCLUDE:-$(pwd)/inst/include/rkeops}
RKEOPS_CACHE=$scratch/cache
R_USER_CACHE_DIR=$scratch/cache-r
export RKEOPS_INCLUDE RKEOPS_CACHE R_USER_CACHE_DIR
mkdir -p "$out" "$scratch/samples" "$scratch/peers"
: > "$scratch/starts"
: > "$scratch/rows"
failed=0

build=${RKEOPS_BENCH_BUILD:-$scratch/build}
[ -f "$build/libengine.a" ] || sh tools/engine-build.sh "$build" || exit 1
${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Isrc/engine bench/gpu.c "$build/libengine.a" \
  -o "$scratch/gpu" -lm -ldl -lpthread || exit 1

# ---- rkeops: each in a process of its own, so that one that breaks the GPU is the only one ----

# measure WHAT...: rows of `gpu WHAT`.
measure() {
  timeout 100 "$scratch/gpu" "$@" >> "$scratch/rows" && return
  echo "gpu $*: status $?" >&2
  failed=1
}

# starts WHAT GOAL FILE: column 2 is the call, 1 the start of the driver. GOAL: ms of the slowest.
starts() {
  awk -v what="$1" -v goal="$2" '
    { if (NR == 1 || $2 < least) least = $2; if ($2 > most) most = $2
      if (NR == 1 || $1 < driver) driver = $1 }
    END { if (NR) {
      if (goal != "") met = 1e3 * most <= goal ? "met" : "not met"
      printf "start\t%s\t%.1f ms\t%.1f ms (of %d)\t%s\t%s\n", what, 1e3 * least, 1e3 * most, NR,
             goal == "" ? "" : goal " ms", met
      printf "driver\t%.0f ms\n", 1e3 * driver } }' "$3" >> "$scratch/starts"
}

first_calls() {
  for k in 1 2 3 4 5; do
    timeout 60 "$scratch/gpu" start "$scratch/cache-$k" >> "$scratch/fresh" || return
    timeout 60 "$scratch/gpu" start "$scratch/cache-$k" >> "$scratch/again" || return
  done
  starts "first call of a new formula" 150 "$scratch/fresh"
  starts "the same in a fresh process, from the disk cache" 20 "$scratch/again"
}

first_calls_from_r() {
  for k in 1 2 3; do
    for file in fresh-r again-r; do
      R_USER_CACHE_DIR=$scratch/cache-r-$k timeout 60 "$rscript" bench/gpu.R start \
        >> "$scratch/$file" || return
    done
  done
  starts "first call of a new formula, from R" 150 "$scratch/fresh-r"
  starts "the same in a fresh R process, from the disk cache" 20 "$scratch/again-r"
}

# ---- helpers: processes that answer a line with lines, the last of them "end" ----

# ask TO FROM PREFIX LINE: the answer's lines that begin so; fails when the process has ended.
ask() {
  printf '%s\n' "$4" 2>/dev/null >&"$1" || return 1
  while IFS= read -r answer <&"$2"; do
    case $answer in
      end) return 0 ;;
      "$3"*) printf '%s\n' "$answer" ;;
    esac
  done
  return 1
}

# serve NAME COMMAND...: starts one; its ends are the pipes NAME.in and NAME.out.
serve() {
  helper=$1
  shift
  rm -f "$scratch/$helper.in" "$scratch/$helper.out"
  mkfifo "$scratch/$helper.in" "$scratch/$helper.out"
  "$@" < "$scratch/$helper.in" > "$scratch/$helper.out" 2>> "$scratch/$helper.log" 3>&- 4>&- &
  helpers="${helpers:-} $!"
}

# Installed if pip can, else used as it was unpacked: PyKeOps is plain Python.
install_peers() {
  "$python" -m pip install -q --no-index --no-deps --no-build-isolation --no-cache-dir \
    --target "$scratch/peers" "$1"/* >/dev/null 2>&1 && return
  for archive in "$1"/*.tar.gz; do
    [ -f "$archive" ] && tar -xzf "$archive" -C "$scratch/peers"
  done
  for folder in "$scratch"/peers/*/; do
    PYTHONPATH=$folder${PYTHONPATH:+:$PYTHONPATH}
  done
}

# Of the toolkit, where the linker does not know it: PyKeOps looks for libraries as that does.
toolkit=${CUDA_PATH:-/usr/local/cuda}
libraries=${LD_LIBRARY_PATH:-}
find_libraries() {
  "$python" -c 'import sys; from ctypes.util import find_library
sys.exit(not all(map(find_library, ("cuda", "nvrtc", "cudart"))))' 2>/dev/null ||
    libraries=${libraries:+$libraries:}$toolkit/lib64:/usr/local/nvidia/lib64
}

prepare_peers() {
  PYTHONPATH=$scratch/peers${PYTHONPATH:+:$PYTHONPATH}
  [ -d "${RKEOPS_PEERS:-}" ] && install_peers "$RKEOPS_PEERS"
  find_libraries
}

# Again after they broke, for other cases, twice.
peers= tries=0
start_peers() {
  [ "${RKEOPS_PEERS:-}" != no ] && command -v "$python" >/dev/null 2>&1 || return
  [ $tries -gt 0 ] || prepare_peers
  tries=$((tries + 1))
  [ $tries -le 3 ] || return
  serve peers env PYTHONPATH="$PYTHONPATH" KEOPS_CACHE_FOLDER="$scratch/keops" \
    LD_LIBRARY_PATH="$libraries" CUDA_PATH="$toolkit" \
    LIBRARY_PATH="${LIBRARY_PATH:+$LIBRARY_PATH:}$toolkit/lib64:$toolkit/lib64/stubs" \
    "$python" bench/gpu_peers.py "$scratch/samples"
  exec 3> "$scratch/peers.in" 4< "$scratch/peers.out"
  peers=yes
}

start_r() {
  [ -n "$rscript" ] || return
  serve r "$rscript" bench/gpu.R cases
  exec 5> "$scratch/r.in" 6< "$scratch/r.out"
}

spent=0
ask_peers() {
  [ -n "$peers" ] && [ $spent -lt "${RKEOPS_PEERS_SECONDS:-240}" ] || return
  since=$(date +%s)
  ask 3 4 peer "$1" >> "$scratch/rows" || { peers= && start_peers; }
  spent=$((spent + $(date +%s) - since))
}

ask_r() {
  [ -n "$rscript" ] || return
  ask 5 6 "r	" "$1" >> "$scratch/rows" || rscript=
}

# ---- the tables ----

field() { sed -n "s/^$1	//p" "$2" | head -n 1; }
processor() { sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1; }
release() {
  sed -n 's/^NVRM version:.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null
}

# What the tables share: rows of the cases with what others measured, times in words.
words='
  function seconds(s) {
    if (s == "" || s + 0 <= 0) return "-"
    if (s >= 1) return sprintf("%.2f s", s)
    if (s >= 0.1) return sprintf("%.3f s", s)
    if (s >= 1e-3) return sprintf("%.2f ms", 1e3 * s)
    return sprintf("%.0f us", 1e6 * s)
  }
  function peer(s, kernel) {
    if (s == "") return "-"
    return sprintf("%s%s (%.1f x)", s ~ /~$/ ? "about " : "", seconds(s + 0), s / kernel)
  }
  function met(is_met) { return is_met ? "met" : "not met" }
  function goals(k, kernel, goal, by_keops, by_torch,    text, best) {
    text = seconds(goal) ": " met(kernel <= goal + 0)
    if (by_keops > 0) text = text "; " by_keops " x PyKeOps: " \
      (keops[k] == "" ? "?" : met(keops[k] + 0 >= by_keops * kernel))
    best = blocks[k] != "" && blocks[k] + 0 < torch[k] + 0 ? blocks[k] : torch[k]
    if (by_torch > 0) text = text "; faster than PyTorch: " \
      (best == "" ? "?" : met(best + 0 > by_torch * kernel))
    return text
  }
  $1 == "peer" { k = $2 $3; keops[k] = $4; torch[k] = $5; blocks[k] = $6; apart[k] = $7 }
  $1 == "r" { from_r[$2 $3] = $4 }
  $1 == "case" { order[++n] = $0 }'

# table WITH_GOALS
table() {
  awk -F '\t' -v with_goals="$1" "$words"'
    END { for (row = 1; row <= n; row++) {
      split(order[row], c, "\t")
      k = c[2] c[3]; kernel = c[8] > 0 ? c[8] + 0 : 1
      if ((c[12] > 0) != with_goals) continue
      printf "| %s | %s | %g x %g | %s | %.0f %% of %s | ", c[4], c[3], c[5], c[6], seconds(c[8]),
             100 * c[11] / kernel, seconds(c[11])
      if (with_goals) printf "%s | ", goals(k, kernel, c[12], c[13], c[14])
      printf "%s%s | ", c[15], c[15] <= c[16] + 0 ? "" : " WRONG"
      printf "%.1f | %s (median %s) | %s | ", c[5] * c[6] / kernel / 1e9, seconds(c[9]),
             seconds(c[10]), seconds(from_r[k])
      printf "%s | %s%s | %s |\n", peer(keops[k], kernel), peer(torch[k], kernel),
             blocks[k] == "" ? "" : ", by blocks " peer(blocks[k], kernel),
             apart[k] == "" ? "-" : apart[k]
    } }' "$scratch/rows"
}

others() {
  awk -F '\t' "$words"'
    $1 == "start" { printf "| %s | %s | slowest %s | %s | %s |\n", $2, $3, $4, $5, $6 }
    $1 == "other" {
      printf "| %s | %s | %s %s | %s | %s |\n", $2, seconds($3), $5, seconds($4), $6, $7 }
  ' "$scratch/starts" "$scratch/rows"
}

write_table() {
  versions=$(field peers "$scratch/rows")
  why=$(tail -n 1 "$scratch/peers.log" 2>/dev/null | cut -c 1-200)
  driver=$(release)
  columns="error | Gpair/s | whole call | from R | PyKeOps | PyTorch | difference |"
  cat <<END
# gpu

* date: $(date -u '+%Y-%m-%d %H:%M UTC')
* GPU: $(field device "$scratch/rows")${driver:+, driver $driver}
* CPU: $(processor), $(getconf _NPROCESSORS_ONLN) processors
* compiler: $(${CC:-gcc} --version | head -n 1)
* peers: ${versions:-none${why:+: $why}}${RKEOPS_BENCH_DIVIDE:+
* all sizes divided by $RKEOPS_BENCH_DIVIDE: a trial, no measurement}

| task | precision | M x N | kernel | bound | goal | $columns
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
$(table 1)

| task | precision | M x N | kernel | bound | $columns
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
$(table 0)

| what | best | | goal | |
| --- | --- | --- | --- | --- |
$(others)

Kernel: by the device's clock. Whole call: from matrices of doubles in host memory to the result
there, from C and from R, compile excluded. The best of at least three. Bound: share of the kernel's
time that the device needs at its highest clock for the float32 operations, special functions or
float64 operations of a pair, see bench/gpu.c; the goal is for the kernel. PyKeOps and PyTorch: data
on the GPU already, best of up to three, in the same minute; (2 x): so many times the kernel's time;
"about": from a part of the rows; "by blocks": of blocks of 64 columns those with the nearest minima
first, as FAISS selects. Error: of 16 rows beside loops in double, relative to the sum of absolute
values (nearest: of distances). Difference: largest, of PyKeOps (else PyTorch) from rkeops in the
first rows, relative to the largest result; of positions the share that differs. Last table:
Gaussian product, D = 3, float32, M = N = 1e6 where nothing else is said; first calls with
M = N = 1000, without the start of the driver ($(field driver "$scratch/starts")).
END
}

# plot, x, who, value: seconds against N, share of the bound against D.
write_series() {
  printf 'plot\tx\twho\tvalue\n'
  awk -F '\t' "$words"'
    function point(plot, x, who, value) {
      if (value + 0 > 0) printf "%s\t%g\t%s\t%.6g\n", plot, x, who, value
    }
    END { for (row = 1; row <= n; row++) {
      split(order[row], c, "\t")
      k = c[2] c[3]
      if (c[3] != "float32") continue
      if (c[2] ~ /^N[0-9]/ || c[2] == "gauss") {
        point("N", c[6], "rkeops, kernel", c[8])
        point("N", c[6], "rkeops, whole call", c[9])
        point("N", c[6], "PyKeOps", keops[k])
        point("N", c[6], "PyTorch", torch[k])
      }
      if (c[2] ~ /^D[0-9]/ || c[2] == "N100000") {
        point("D", c[7], "rkeops", c[11] / c[8])
        if (keops[k] + 0 > 0) point("D", c[7], "PyKeOps", c[11] / keops[k])
        if (torch[k] + 0 > 0) point("D", c[7], "PyTorch", c[11] / torch[k])
      }
    } }' "$scratch/rows"
}

write_all() {
  write_table > "$scratch/table" && mv "$scratch/table" "$out/$name.md"
  write_series > "$scratch/series" && mv "$scratch/series" "$out/$name.tsv"
}

# ---- all ----

measure device
[ $failed -eq 0 ] || exit 1
if [ -z "${RKEOPS_BENCH_CASES:-}" ]; then
  first_calls || failed=1
  measure warm
  measure memory
  write_all
  if [ -n "$rscript" ]; then
    first_calls_from_r || failed=1
    timeout 60 "$rscript" bench/gpu.R warm >> "$scratch/rows" || failed=1
  fi
fi
start_peers
start_r
"$scratch/gpu" cases > "$scratch/cases"
while IFS= read -r line <&7; do
  key=$(printf '%s' "$line" | cut -f 1)
  printf '%s\n' "$key" | grep -Eqx "${RKEOPS_BENCH_CASES:-.*}" || continue
  measure case "$key" "$(printf '%s' "$line" | cut -f 2)" "$scratch/samples"
  ask_peers "$line"
  ask_r "$line"
  write_all
done 7< "$scratch/cases"
cat "$out/$name.md"
for helper in peers r; do
  [ -s "$scratch/$helper.log" ] || continue
  echo "$helper:"
  tail -n 20 "$scratch/$helper.log" | cut -c 1-200
done >&2
echo "written to $out/$name.md and $out/$name.tsv"
exit $failed
