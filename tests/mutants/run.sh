#!/bin/sh
# run.sh [--with-r] [WORD]: which tests see a fault? Each of list.txt (with WORD in its name) is put
# into a copy of the checkout; the engine is built without sanitizers, the programs of tests/engine
# and tests/cuda run. --with-r: what they do not see is installed, and tests of R run. Says who saw
# what, also in .build/mutants/table.txt. More than LIMIT seconds count as seen. Each fault begins
# with the kernels that the checkout has without one.
set -u
cd "$(dirname "$0")/../.." || exit 1
case ${1:-} in --with-r) with_r=1; shift ;; *) with_r= ;; esac
word=${1:-} list=$(pwd)/tests/mutants/list.txt base=$(pwd)/.build/mutants
tree=$base/tree build=$base/build kernels=$base/kernels
r_files="operations gradient reductions restrict lazytensor precision matrix r-api inputs cache"
r_files="$r_files gpu-run"
unset MAKEFLAGS MFLAGS MAKELEVEL RKEOPS_CC
R_LIBS=${R_LIBS:-$(pwd)/.library}
set -a
TMPDIR=$base/tmp RKEOPS_INCLUDE=$tree/inst/include/rkeops RKEOPS_STANDIN_DIR=$build
RKEOPS_CACHE=$base/now/c R_USER_CACHE_DIR=$base/now/c RKEOPS_STANDIN_CACHE=$base/now/cuda
RKEOPS_CUDA_MUTANTS=$tree/tests/cuda/mutants.txt
RKEOPS_TEST_PLAIN_CXX="g++ -O1" RKEOPS_STANDIN_CXX="g++ -O1"
set +a

# replace FILE OLD NEW: fails unless OLD is there once.
replace() {
  OLD=$2 NEW=$3 awk '
    { k = index($0, ENVIRON["OLD"]) }
    k { found += 1 + (index(substr($0, k + 1), ENVIRON["OLD"]) > 0)
        $0 = substr($0, 1, k - 1) ENVIRON["NEW"] substr($0, k + length(ENVIRON["OLD"])) }
    { print }
    END { exit found != 1 }' "$1" > "$base/replaced" && cp "$base/replaced" "$1"
}

# one LABEL COMMAND...: notes who fails, in the folder of the copy, where programs find their texts.
one() {
  label=$1 started=$(date +%s) log=$base/log/$(echo "$1" | tr / -)
  shift
  (cd "$tree" && exec timeout -k 5 "${LIMIT:-300}" "$@") > "$log" 2>&1
  status=$?
  echo "$mutant: $label, status $status, $(($(date +%s) - started)) s" >> "$base/times"
  [ $status -eq 0 ] || printf '%s\t%s\n' "$mutant" "$label" >> "$base/seen"
}

# skips PROGRAM: it takes long, and is about another folder than that of the fault.
skips() {
  folder=
  case $1 in
    test_math) folder=include ;;
    test_build) folder=build ;;
    test_nested) folder=run ;;
    test_nvrtc_build | cuda/test_device | cuda/test_faults | cuda/test_processes) folder=cuda ;;
  esac
  case $file in '' | */$folder/*) return 1 ;; *) [ "$folder" ] ;; esac
}

# As in tools/engine-tests.sh, kernels are not optimised where formulas are what is tested.
on_processor() {
  for program in $(ls "$build"/test_* | grep -v '\.d$'); do
    name=${program##*/} compiler=
    case $name in test_derive | test_rules | test_nested) compiler=$base/quick-cc ;; esac
    skips "$name" || one "$name" env ${compiler:+RKEOPS_CC="$compiler"} "$program"
  done
}
on_standins() {
  export RKEOPS_TEST_SMALL=1 RKEOPS_STANDIN_DEVICES=3
  export RKEOPS_CUDA_PATH="$build/libcuda.so.1" RKEOPS_NVRTC_PATH="$build/libnvrtc.so"
  for program in $(ls "$build"/cuda/test_* | grep -v '\.d$'); do
    skips "cuda/${program##*/}" || one "cuda/${program##*/}" "$program"
  done
  for name in engine programs nested random derive offsets walk; do
    case $name in derive | offsets | walk) RKEOPS_STANDIN_CXX="g++ -O0" ;; esac
    skips "test_$name" || one "test_$name, cuda" env RKEOPS_TEST_DEVICE=0,1 "$build/test_$name"
  done
}

r_tests() {
  mkdir -p "$base/library"
  R CMD INSTALL --preclean --no-docs --library="$base/library" "$tree" > "$base/log/install" 2>&1 ||
    { echo "$mutant: see .build/mutants/log/install"; exit 1; }
  for file in $r_files; do
    [ ! -f "$tree/tests/testthat/test-$file.R" ] ||
      one "test-$file.R" env R_LIBS="$base/library:$R_LIBS" \
        Rscript tools/r-tests.R "$base/r.counts" "^$file\$"
  done
}

seen_by() { awk -F '\t' -v m="$mutant" '$1 == m { n++ } END { print n + 0 }' "$base/seen"; }

# try NAME: all on the copy as it is.
try() {
  mutant=$1
  rm -rf "$base/now" "$base/tmp"
  mkdir -p "$base/tmp"
  cp -Rl "$kernels" "$base/now"
  make -s -k -j2 -C "$tree" -f tools/engine.mk CC=gcc DIR="$build" FLAGS=-O1 all cuda standins \
    > "$base/log/make" 2>&1 || { echo "$mutant: see .build/mutants/log/make"; exit 1; }
  on_processor 2> /dev/null &
  (on_standins) 2> /dev/null
  wait
  [ "$(seen_by)" != 0 ] || [ -z "$with_r" ] || (r_tests)
  echo "$(date +%T) $mutant: $(seen_by)"
}

table() {
  awk -F '\t' '
    FILENAME ~ /mutants$/ { mutant[++mutants] = $0; next }
    { if (!($2 in all)) program[++programs] = $2
      seen[$1, $2] = 1; all[$2]++; sum[$1]++; first[$1] = $2 }
    END {
      for (m = 1; m <= mutants; m++) {
        for (p = 1; p <= programs; p++) printf seen[mutant[m], program[p]] ? "x" : "."
        printf " %2d %s\n", sum[mutant[m]], mutant[m]
        if (sum[mutant[m]] == 1) alone[first[mutant[m]]]++
        nobody += !sum[mutant[m]]
      }
      print "\ncolumn, program, faults that it saw, those that it alone saw"
      for (p = 1; p <= programs; p++)
        printf "%2d %-24s %2d %2d\n", p, program[p], all[program[p]], alone[program[p]]
      printf "\n%d faults, %d seen by nobody\n", mutants, nobody
    }' "$base/mutants" "$base/seen"
}

rm -rf "$tree" "$build" "$base/log" "$base/library" "$base/now"
mkdir -p "$tree" "$base/log" "$kernels/c" "$kernels/cuda"
cp -R DESCRIPTION NAMESPACE LICENSE NEWS.md README.md Makefile R inst man src tests tools "$tree"
[ -x "$base/quick-cc" ] || printf '#!/bin/sh\nexec cc "$@" -O0\n' > "$base/quick-cc"
chmod 700 "$base/quick-cc"
for part in seen times mutants; do : > "$base/$part"; done
file=
try "no fault" # all have to pass; this fills the kernels
[ ! -s "$base/seen" ] || { cat "$base/seen"; exit 1; }
rm -rf "$kernels"
mv "$base/now" "$kernels"
while IFS= read -r line; do
  case $line in
    '#'*) ;;
    '- '*) old=${line#- } ;;
    '+ '*)
      case $name in *"$word"*) ;; *) continue ;; esac
      cp "$tree/$file" "$base/original"
      replace "$tree/$file" "$old" "${line#+ }" || { echo "$file has not once: $old"; continue; }
      echo "$name" >> "$base/mutants"
      try "$name" < /dev/null
      cp "$base/original" "$tree/$file" ;;
    *' | '*) name=${line% | *} file=${line##* | } ;;
  esac
done < "$list"
table | tee "$base/table.txt"
