#!/bin/sh
# install.sh BUILD [LIBRARY]: builds the package's tarball in BUILD and installs it. By way of the
# tarball, so that what is tested is what users get and no object file is left over. With LIBRARY:
# there, without articles. Without: with articles, into the user's own library, the first of
# .libPaths() that may be written to; R's usual one is made where there is none.
set -eu
build=$1
library=${2:-}
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

articles=
[ -z "$library" ] || articles=--no-build-vignettes
[ -n "$library" ] || library=$(Rscript -e 'paths <- .libPaths()[file.access(.libPaths(), 2) == 0]
  paths <- c(paths, strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]])
  cat(path.expand(paths[1]))')
[ -n "$library" ] || { echo "R names no library that may be written to: set R_LIBS_USER"; exit 1; }

mkdir -p "$library" "$build"
rm -rf "$build"/rkeops_*.tar.gz "$build/source"
sh tools/stage.sh "$build/source"
log=$(pwd)/$build/install.log
if ! { (cd "$build" && R CMD build $articles source) &&
       MAKEFLAGS=-j$jobs R CMD INSTALL --library="$library" "$build"/rkeops_*.tar.gz; } >"$log" 2>&1
then
  cat "$log"
  exit 1
fi
rm -r "$build/source"
echo "rkeops is installed in $library"
