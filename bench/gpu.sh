#!/bin/sh
# gpu.sh [OUT]: speed on the first GPU of this machine, beside PyKeOps and PyTorch where they are
# there, as a table in OUT/gpu-DATE.md (default: bench/results). Needs a driver, NVRTC and gcc; for
# the peers python3 with PyTorch.
#
#   RKEOPS_BENCH_BUILD    a folder where tools/engine-build.sh has left libengine.a
#   RKEOPS_PEERS          a folder with PyKeOps and what it needs, as source packages or wheels;
#                         installed without network into a scratch folder. "no": no peers
#   RKEOPS_BENCH_PYTHON   the python3 to use
#   RKEOPS_PEERS_SECONDS  time limit of the peers (240)
#   RKEOPS_BENCH_DIVIDE   divides all sizes, to try this out
set -u
out=${1:-bench/results}
name=gpu-$(date +%Y-%m-%d)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
python=${RKEOPS_BENCH_PYTHON:-python3}
RKEOPS_INCLUDE=${RKEOPS_INCLUDE:-$(pwd)/inst/include/rkeops}
RKEOPS_CACHE=$scratch/cache
export RKEOPS_INCLUDE RKEOPS_CACHE
mkdir -p "$out" "$scratch/samples" "$scratch/peers"

build=${RKEOPS_BENCH_BUILD:-$scratch/build}
[ -f "$build/libengine.a" ] || sh tools/engine-build.sh "$build" || exit 1
openmp=
${CC:-gcc} -fopenmp -E - </dev/null >/dev/null 2>&1 && openmp=-fopenmp
${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Isrc/engine bench/gpu.c "$build/libengine.a" \
  -o "$scratch/gpu" $openmp -lm -ldl -lpthread || exit 1
gpu=$scratch/gpu

# ---- first calls, in fresh processes ----

# starts WHAT AIM NUMBERS: column 2 is the call, 1 the start of the driver; least and largest.
starts() {
  printf '%s\n' "$3" | awk -v what="$1" -v aim="$2" '
    { if (NR == 1 || $2 < least) least = $2; if ($2 > most) most = $2
      if (NR == 1 || $1 < driver) driver = $1 }
    END { printf "start\t%s\t%.1f ms\t%.1f ms\t%s\n", what, 1e3 * least, 1e3 * most, aim
          printf "driver\t%.1f ms\n", 1e3 * driver }'
}
fresh= again=
for k in 1 2 3 4 5; do
  line=$("$gpu" start "$scratch/cache-$k") || exit 1
  fresh="$fresh${fresh:+
}$line"
  line=$("$gpu" start "$scratch/cache-$k") || exit 1
  again="$again${again:+
}$line"
done
starts "first call of a new formula" "300 ms" "$fresh" > "$scratch/starts"
starts "the same in a fresh process, from the disk cache" "100 ms" "$again" >> "$scratch/starts"

# ---- rkeops, then the peers on the same data ----

"$gpu" run "$scratch/samples" > "$scratch/rows"
status=$?
"$gpu" cases > "$scratch/cases"

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
: > "$scratch/peer-rows"
if [ "${RKEOPS_PEERS:-}" != no ] && command -v "$python" >/dev/null 2>&1; then
  PYTHONPATH=$scratch/peers${PYTHONPATH:+:$PYTHONPATH}
  [ -d "${RKEOPS_PEERS:-}" ] && install_peers "$RKEOPS_PEERS"
  export PYTHONPATH
  KEOPS_CACHE_FOLDER=$scratch/keops timeout "${RKEOPS_PEERS_SECONDS:-240}" \
    "$python" bench/gpu_peers.py "$scratch/cases" "$scratch/samples" \
    > "$scratch/peer-rows" 2> "$scratch/peer-log"
  code=$?
  [ $code -eq 0 ] || echo "the peers ended with status $code:" >&2
  tail -n 20 "$scratch/peer-log" | cut -c 1-200 >&2
fi

# ---- the tables ----

field() { sed -n "s/^$1	//p" "$2" | head -n 1; }
processor() { sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1; }
release() {
  sed -n 's/^NVRM version:.*  \([0-9][0-9.]*\)  .*/\1/p' /proc/driver/nvidia/version 2>/dev/null
}

# What both tables share: seconds(s) in words.
words='
  function seconds(s) {
    if (s == "" || s + 0 <= 0) return "-"
    if (s >= 1) return sprintf("%.2f s", s)
    if (s >= 1e-3) return sprintf("%.2f ms", 1e3 * s)
    return sprintf("%.0f us", 1e6 * s)
  }'

table() {
  awk -F '\t' "$words"'
    $1 == "peer" { keops[$2 $3] = $4; torch[$2 $3] = $5; apart[$2 $3] = $6 }
    $1 == "case" {
      k = $2 $3
      kernel = $6 > 0 ? $6 : 1
      about = torch[k] ~ /~$/ ? "about " : ""
      printf "| %s | %s | %g | %s | %.0f %% of %s | %.1f | ", $4, $3, $5, seconds($6),
             100 * $9 / kernel, seconds($9), $5 * $5 / kernel / 1e9
      printf "%s (median %s) | %s | %s%s | %s |\n", seconds($7), seconds($8), seconds(keops[k]),
             about, seconds(torch[k]), apart[k] == "" ? "-" : apart[k]
    }' "$scratch/peer-rows" "$scratch/rows"
}

others() {
  awk -F '\t' "$words"'
    $1 == "start" { printf "| %s | %s | slowest of 5: %s | %s |\n", $2, $3, $4, $5 }
    $1 == "other" {
      printf "| %s | %s | %s %s | |\n", $2, seconds($3), $5 == "" ? "kernel" : $5, seconds($4)
    }' "$scratch/starts" "$scratch/rows"
}

write_all() {
  peers=$(field peers "$scratch/peer-rows")
  driver=$(release)
  cat <<END
# gpu

* date: $(date -u '+%Y-%m-%d %H:%M UTC')
* GPU: $(field device "$scratch/rows")${driver:+, driver $driver}
* CPU: $(processor), $(getconf _NPROCESSORS_ONLN) processors
* compiler: $(${CC:-gcc} --version | head -n 1)
* peers: ${peers:-none}

| task | precision | N | kernel | bound | Gpair/s | whole call | PyKeOps | PyTorch | difference |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
END
  table
  cat <<END

| what | best | | aim |
| --- | --- | --- | --- |
END
  others
  cat <<END

Kernel: by the device's clock. Whole call: from matrices of doubles in host memory to the result
there, compile excluded. Both the best of up to nine. Bound: share of the kernel's time that the
device needs at its highest clock for the float32 operations, special functions or float64
operations of a pair, see bench/gpu.c. PyKeOps and PyTorch: data on the GPU already, best of three;
"about": from a part of the rows. Difference: largest, of PyKeOps (else PyTorch) from rkeops in the
first rows, relative to the largest result; of positions the share that differs. Second table:
Gaussian product, D = 3, float32, M = N = 1e6 where nothing else is said; first calls with
M = N = 1000, without the start of the driver ($(field driver "$scratch/starts")).
END
}
write_all > "$out/$name.md"
cat "$out/$name.md"
echo "written to $out/$name.md"
exit $status
