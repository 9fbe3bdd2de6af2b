#!/bin/sh
# dist.sh CHECKED DIST: the source tarball, with its articles built and after R CMD check in the
# folder CHECKED, and a tarball of what is compiled for this system, in the folder DIST.
set -eu
checked=$1
dist=$(pwd)/$2
sh tools/check.sh "$checked"
rm -rf "$dist"
mkdir -p "$dist" "$checked/compiled"
cp "$checked"/rkeops_*.tar.gz "$dist"
(cd "$dist" && R CMD INSTALL --build --library="../$checked/compiled" rkeops_*.tar.gz \
   > "../$checked/compiled.log" 2>&1) || { cat "$checked/compiled.log"; exit 1; }
ls -l "$dist"
