#!/bin/sh
# portable.sh BUILD: the engine on other systems, as far as the tools for that are there. Each
# target is compiled with all warnings (one is a failure), and its tests run:
#
#   64-bit Arm, Linux   gcc-aarch64-linux-gnu, qemu-user      tests under QEMU
#   Windows             gcc-mingw-w64-x86-64, wine64          tests under Wine
#   macOS, musl, ...    Zig (RKEOPS_ZIG or zig in PATH)       compiled and linked, kernels too
#   clang               clang                                 tests with clang for the kernels
#
# (names of Debian packages). What is missing is said and counts as skipped. Writes "passed failed
# skipped" to the file BUILD/portable.counts; RKEOPS_TEST_TIMES=1 shows times.
set -u
build=$1
. tools/test-programs.sh

here=$(pwd)
mkdir -p "$build/portable" "$scratch/kernels"
build_at=$(cd "$build" && pwd)/portable
headers=$(Rscript -e 'cat(R.home("include"))' 2>/dev/null)

has() { command -v "$1" >/dev/null 2>&1; }

skip() {
  echo "  skipped: $*"
  skipped=$((skipped + 1))
}

# check LABEL COMMAND...: succeeds and has nothing to say.
check() {
  label=$1
  shift
  if "$@" > "$scratch/said" 2>&1 && [ ! -s "$scratch/said" ]; then
    passed=$((passed + 1))
    echo "  $label: good"
  else
    failed=$((failed + 1))
    echo "  $label: FAILED"
    head -n 20 "$scratch/said" | sed 's/^/    /'
    return 1
  fi
}

# make_engine CC AR [SETTING...]: what engine.mk makes, in the folder $dir.
make_engine() {
  compiler=$1 archiver=$2
  shift 2
  make --no-print-directory -s -k -j"$jobs" -f tools/engine.mk CC="$compiler" AR="$archiver" \
       DIR="$dir" FLAGS="-O2 -Werror" "$@"
}

# glue COMPILER...: the files that know R, with the headers of the R that is here.
glue() {
  for file in src/*.c; do
    "$@" -std=gnu11 -Wall -Werror -Isrc/engine -I"$headers" -c "$file" -o "$scratch/glue.o" ||
      return 1
  done
}

check_glue() {
  if [ -f "$headers/R.h" ]; then check "files that know R, $1" glue $2
  else skip "files that know R, $1 (no headers of R)"; fi
}

programs_of() {
  for name in "$@"; do echo "$dir/$name$exe"; done
}

# run_all NAME...: tests of $dir, each by a script that starts it with $runner.
run_all() {
  mkdir -p "$scratch/$target"
  for name in "$@"; do
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$runner" "$dir/$name$exe" > "$scratch/$target/$name"
    chmod 700 "$scratch/$target/$name"
    run_test "$scratch/$target/$name" "$target"
  done
}

# Once more on the backend that compiles nothing.
run_builtin() {
  RKEOPS_TEST_BACKEND=builtin RKEOPS_TEST_SMALL=1
  export RKEOPS_TEST_BACKEND RKEOPS_TEST_SMALL
  target="$target, builtin"
  run_all test_engine
  unset RKEOPS_TEST_BACKEND RKEOPS_TEST_SMALL
}

# ---- 64-bit Arm ----------------------------------------------------------------------------------

# Keeps the kernels that it compiles, for the other compilers.
arm_compiler() {
  cat > "$scratch/arm-cc" <<SCRIPT
#!/bin/sh
for word; do
  case \$word in */kernel.c) cp "\$word" "$scratch/kernels/\$\$.c" ;; esac
done
exec $arm "\$@"
SCRIPT
  chmod 700 "$scratch/arm-cc"
}

on_arm() {
  target=arm dir=$build_at/arm exe= arm=aarch64-linux-gnu-gcc
  names="test_os test_threads test_plan test_engine test_derive test_random test_float_mode"
  has $arm || { skip "64-bit Arm (no $arm)"; return; }
  check "64-bit Arm compiles" make_engine $arm aarch64-linux-gnu-ar WIDTHS=16 \
    $(programs_of $names test_math-16) || return
  check_glue "64-bit Arm" $arm
  has qemu-aarch64 || { skip "tests for 64-bit Arm (no qemu-aarch64)"; return; }
  runner="qemu-aarch64 -L /usr/aarch64-linux-gnu"
  arm_compiler
  RKEOPS_CC=$scratch/arm-cc RKEOPS_CACHE=$scratch/cache-arm RKEOPS_TEST_CHILD=$native/test_os
  export RKEOPS_CC RKEOPS_CACHE RKEOPS_TEST_CHILD
  run_all $names test_math-16
  run_builtin
  unset RKEOPS_CC RKEOPS_TEST_CHILD
}

# ---- Windows -------------------------------------------------------------------------------------

# A program of Wine that hands its arguments to a script, which runs the compiler of this system.
windows_compiler() {
  cat > "$scratch/host-cc" <<SCRIPT
#!/bin/sh
$mingw "\$@" > host-cc.log 2>&1
echo \$? > host-cc.part
mv host-cc.part host-cc.done
SCRIPT
  chmod 700 "$scratch/host-cc"
  $mingw -std=gnu11 -O1 -Wall -Wextra tools/wine-cc.c -o "$dir/wine-cc.exe"
}

on_windows() {
  target=windows dir=$build_at/windows exe=.exe mingw=x86_64-w64-mingw32-gcc
  names="test_os test_threads test_plan test_engine test_float_mode"
  has $mingw || { skip "Windows (no $mingw)"; return; }
  check "Windows compiles" make_engine $mingw x86_64-w64-mingw32-ar EXE=.exe LIBS= \
    $(programs_of $names) || return
  check_glue Windows $mingw
  has wine || { skip "tests for Windows (no wine)"; return; }
  check "the compiler of the tests for Windows" windows_compiler || return
  WINEPREFIX=$scratch/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml="
  RKEOPS_INCLUDE=Z:$here/inst/include/rkeops RKEOPS_CACHE='C:\my kernels'
  RKEOPS_CC=Z:$dir/wine-cc.exe RKEOPS_HOST_CC=Z:$scratch/host-cc
  export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES RKEOPS_CC RKEOPS_HOST_CC
  wineboot -i >/dev/null 2>&1
  runner=wine
  run_all $names
  run_builtin
  wineserver -k
  unset RKEOPS_CC RKEOPS_HOST_CC
  RKEOPS_INCLUDE=$here/inst/include/rkeops
}

# ---- targets of Zig ------------------------------------------------------------------------------

kernels_compile() {
  for file in "$scratch"/kernels/*.c; do
    "$zig" cc -target "$1" -std=gnu11 -O3 -Wall -Werror -fno-math-errno \
      -fno-trapping-math -ffp-contract=fast -c "$file" -o "$scratch/kernel.o" || return 1
  done
}

with_zig() {
  zig=${RKEOPS_ZIG:-zig}
  has "$zig" || { skip "macOS, musl, Windows on Arm (no zig; RKEOPS_ZIG names it)"; return; }
  for target in aarch64-macos x86_64-macos x86_64-linux-musl x86-linux-musl x86_64-windows-gnu \
                aarch64-windows-gnu; do
    dir=$build_at/$target exe=
    case $target in *windows*) exe=.exe ;; esac
    check "$target compiles and links" make_engine "$zig cc -target $target" "$zig ar" EXE=$exe \
      LIBS= $(programs_of test_engine test_os test_threads)
    check_glue "$target" "$zig cc -target $target"
  done
  if [ -n "$(ls "$scratch/kernels")" ]; then
    for target in aarch64-macos aarch64-windows-gnu; do
      check "kernels, $target" kernels_compile $target
    done
  else
    skip "kernels for macOS (none were kept from 64-bit Arm)"
  fi
}

# ---- this system ---------------------------------------------------------------------------------

with_clang() {
  target=clang dir=$native exe= runner=
  has clang || { skip "kernels by clang (no clang)"; return; }
  RKEOPS_CC=clang RKEOPS_CACHE=$scratch/cache-clang
  export RKEOPS_CC
  run_all test_engine test_os
  unset RKEOPS_CC
}

echo "The engine on other systems"
native=$build_at/native
dir=$native exe=
if check "this system compiles" make_engine "${CC:-cc}" "${AR:-ar}" \
     $(programs_of test_os test_engine)
then
  with_clang
  on_arm
  on_windows
  with_zig
fi
close_tests "$build" portable
