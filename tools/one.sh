#!/bin/sh
# one.sh BUILD TEST: one program of tests/engine (test_plan), or one file of the R tests
# (test-kernel.R), from what is built already. RKEOPS_UPDATE_GOLDEN=1 with test_plan renews the texts
# of tests/engine/golden.
set -eu
build=$1
name=$(basename "$2")
case $name in
  test-*.R)
    name=${name#test-}
    exec Rscript tools/r-tests.R "$build/one.counts" "^${name%.R}\$" ;;
  test_*)
    name=${name%.c}
    MAKEFLAGS= make -s -f tools/engine.mk CC="${CC:-gcc}" DIR="$build/engine-one" FLAGS="-O1 -g" \
      "$build/engine-one/$name"
    cache=$(mktemp -d)
    trap 'rm -rf "$cache"' EXIT
    RKEOPS_INCLUDE=$(pwd)/inst/include/rkeops RKEOPS_CACHE=$cache R_USER_CACHE_DIR=$cache \
      "$build/engine-one/$name" ;;
  *)
    echo "TEST=$2: expected a program such as test_plan or a file such as test-kernel.R"
    exit 2 ;;
esac
