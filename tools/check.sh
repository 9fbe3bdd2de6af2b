#!/bin/sh
# check.sh FOLDER [nosuggests|cran]: R CMD build with vignettes, then R CMD check without the manual (no
# LaTeX) and without the network. Any error, warning or note fails: there is no list of exceptions.
# Examples that take more than a second are listed. Vignettes are built once, by R CMD build; R CMD
# check builds them again in a full run only (RKEOPS_TEST_FULL=1). With `nosuggests` R finds no
# package but rkeops and those that it comes with: everything is checked but vignettes, and of the
# tests only tests/base.R does something, since the others need testthat. With `cran` as CRAN checks a
# submission, once nothing in DESCRIPTION has to be filled in any more.
set -eu
folder=$1
kind=${2:-suggests}
source=$(pwd)
if [ "$kind" = cran ] && grep -n 'example\.org' DESCRIPTION; then
  echo "DESCRIPTION: who publishes rkeops fills in these lines first (CONTRIBUTING.md, Publishing)."
  [ -n "${RKEOPS_PLACEHOLDERS:-}" ] || exit 1
fi
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

unset R_LIBS
export _R_CHECK_CRAN_INCOMING_=false _R_CHECK_CRAN_INCOMING_REMOTE_=false
export _R_CHECK_FORCE_SUGGESTS_=false _R_CHECK_SYSTEM_CLOCK_=false
export _R_CHECK_XREFS_USE_ALIASES_FROM_CRAN_=false
export LC_ALL=C.UTF-8
# MB installed. Kernels and loops for several kinds of processors are 1.6 of them, so that no compiler
# is needed; articles and help, which repositories want below 5, are 2.2.
export _R_CHECK_PKG_SIZES_THRESHOLD_=7

mkdir library cache
export R_LIBS="$(pwd)/library" R_USER_CACHE_DIR="$(pwd)/cache"
(cd "$source" && sh tools/stage.sh "$folder/source")
vignettes=--no-build-vignettes
as_cran=
[ "$kind" = cran ] && as_cran=--as-cran
if [ "$kind" = nosuggests ]; then
  export _R_CHECK_DEPENDS_ONLY_=true _R_CHECK_NO_RECOMMENDED_=true
  export R_LIBS_SITE="$R_LIBS" R_LIBS_USER="$R_LIBS"
  R CMD build --no-build-vignettes source
  vignettes=--ignore-vignettes
else
  R CMD build source
fi
rm -r source
status=0
[ -z "${RKEOPS_TEST_FULL:-}" ] || [ "$kind" = nosuggests ] || vignettes=
R CMD check $as_cran --no-manual --timings $vignettes rkeops_*.tar.gz || status=$?
result=$(grep '^Status: ' rkeops.Rcheck/00check.log || echo "Status: it did not come to its end")
# that none of them is there is the only note there may be
if [ "$kind" = nosuggests ] && [ "$result" = "Status: 1 NOTE" ] &&
   grep -q '^Packages* suggested but not available' rkeops.Rcheck/00check.log
then
  result="Status: OK"
fi
if [ $status -ne 0 ] || [ "$result" != "Status: OK" ]; then
  for log in rkeops.Rcheck/00install.out rkeops.Rcheck/tests/*.fail; do
    [ -f "$log" ] && { echo "--- $log"; tail -n 60 "$log"; }
  done
  echo "R CMD check: ${result#Status: }"
  exit 1
fi

# name, user, system and elapsed seconds; what compilers take is in the first. They are listed, not
# refused: a processor that does other work beside this is slower.
awk 'NR > 1 && $2 + $3 >= 1 { printf "more than a second: example(%s), %.1f s\n", $1, $2 + $3 }' \
  rkeops.Rcheck/rkeops-Ex.timings
echo "R CMD check: OK"
