#!/bin/sh
# install.sh LIBRARY BUILD: builds the package's tarball in BUILD and installs it into LIBRARY.
# By way of the tarball, so that what is tested is what users get and no object file is left over.
set -eu
library=$1
build=$2
source=$(pwd)
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)

mkdir -p "$library" "$build"
rm -f "$build"/rkeops_*.tar.gz
log=$(pwd)/$build/install.log
if ! { (cd "$build" && R CMD build --no-build-vignettes "$source") &&
       MAKEFLAGS=-j$jobs R CMD INSTALL --library="$library" "$build"/rkeops_*.tar.gz; } >"$log" 2>&1
then
  cat "$log"
  exit 1
fi
echo "rkeops is installed in $library"
