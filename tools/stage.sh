#!/bin/sh
# stage.sh FOLDER: a copy of what the package is made of, for R CMD build, which would begin with a
# copy of the whole checkout: of what is built, where tests may be at work.
set -eu
mkdir -p "$1"
cp -R DESCRIPTION NAMESPACE LICENSE .Rbuildignore NEWS.md R inst man src tests vignettes "$1"
