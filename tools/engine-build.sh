#!/bin/sh
# engine-build.sh DIR [PROGRAM.c ...]: compiles the engine to DIR/libengine.a and each program to
# DIR/NAME, with a C compiler (CC, else gcc) and nothing else. Fails if something does not compile.
# It stays beside tools/engine.mk because tools/gpu-check.sh may not count on make where a GPU is.
set -u
dir=$1
shift
CC=${CC:-gcc}
FLAGS="-std=gnu11 -O2 -g -Wall -Wextra -Isrc/engine -Iinst/include/rkeops -Itests/engine"
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
mkdir -p "$dir/objects" || exit 1

export CC FLAGS dir

rm -f "$dir"/objects/*.o "$dir/libengine.a"
find src/engine -name '*.c' | sort | xargs -P "$jobs" -I SOURCE sh -c '
  $CC $FLAGS -c "$1" -o "$dir/objects/$(echo "$1" | tr / _).o"' object SOURCE || exit 1
ar rcs "$dir/libengine.a" "$dir"/objects/*.o || exit 1

[ $# -eq 0 ] || printf '%s\n' "$@" | xargs -P "$jobs" -I SOURCE sh -c '
  name=$(basename "$1" .c)
  $CC $FLAGS "$1" "$dir/libengine.a" -o "$dir/$name" -lm -ldl -lpthread' program SOURCE
