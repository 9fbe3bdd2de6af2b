#!/bin/sh
# check.sh FOLDER: R CMD build with vignettes, then R CMD check without the manual (no LaTeX) and
# without the network. Any error, warning or note fails: there is no list of exceptions.
set -eu
folder=$1
source=$(pwd)
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

unset R_LIBS
export _R_CHECK_CRAN_INCOMING_=false _R_CHECK_CRAN_INCOMING_REMOTE_=false
export _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_SYSTEM_CLOCK_=false
export _R_CHECK_XREFS_USE_ALIASES_FROM_CRAN_=false
export LC_ALL=C.UTF-8

mkdir library cache
export R_LIBS="$(pwd)/library" R_USER_CACHE_DIR="$(pwd)/cache"
R CMD build "$source"
status=0
R CMD check --no-manual rkeops_*.tar.gz || status=$?
result=$(grep '^Status: ' rkeops.Rcheck/00check.log || echo "Status: it did not come to its end")
if [ $status -ne 0 ] || [ "$result" != "Status: OK" ]; then
  for log in rkeops.Rcheck/00install.out rkeops.Rcheck/tests/*.fail; do
    [ -f "$log" ] && { echo "--- $log"; tail -n 60 "$log"; }
  done
  echo "R CMD check: ${result#Status: }"
  exit 1
fi
echo "R CMD check: OK"
