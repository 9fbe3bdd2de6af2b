#!/bin/sh
# docs.sh: writes what is made of other files: the list in src/Makevars, NAMESPACE and man/ by
# roxygen2, README's figures. The page of all operations asks the engine, which has to be installed.
#
# docs.sh BUILD: writes the same in a folder of its own, README aside, which has a test, and holds it
# against the checkout: one test. Writes "passed failed skipped" to the file BUILD/docs.counts.
set -eu

roxygenise() { Rscript -e 'invisible(roxygen2::roxygenise(load_code = "source"))'; }

if [ $# = 0 ]; then
  sh tools/make-objects.sh
  roxygenise
  make --no-print-directory -s library
  Rscript tools/formulas.R
  Rscript tools/readme.R
  exit
fi

build=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

# finish PASSED FAILED SKIPPED
finish() {
  echo "docs: $1 passed, $2 failed, $3 skipped"
  echo "$1 $2 $3" > "$build/docs.counts"
  exit "$2"
}

installed() {
  Rscript -e 'note <- read.dcf("DESCRIPTION", "RoxygenNote")
    quit(status = !(requireNamespace("roxygen2", quietly = TRUE) &&
                    packageVersion("roxygen2") == note))' >/dev/null 2>&1
}
if ! installed && ! { sh tools/setup.sh roxygen2 >/dev/null 2>&1 && installed; }; then
  echo "  skipped: there is no roxygen2 of the version that DESCRIPTION names"
  finish 0 0 1
fi

cp -R DESCRIPTION NAMESPACE R tools src "$scratch"
mkdir "$scratch/man"
generated() { (cd "$scratch" && sh tools/make-objects.sh && roxygenise && Rscript tools/formulas.R); }
if generated > "$scratch/log" 2>&1; then
  stale=$(for name in NAMESPACE man src/Makevars; do diff -qr "$name" "$scratch/$name" || :; done |
            sed -E 's/^Files ([^ ]+) and .*/\1/; s|^Only in ([^:]+): |\1/|' | tr '\n' ' ')
  [ -n "$stale" ] || finish 1 0 0
  echo "  not what \`make docs\` writes: $stale"
else
  tail -n 20 "$scratch/log"
fi
finish 0 1 0
