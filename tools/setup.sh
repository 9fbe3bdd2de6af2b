#!/bin/sh
# Makes sure of R (4.1 or later), a C compiler and the R packages that tests and vignettes use.
# Where something is missing, installs it through apt when it may (as root, or by sudo without a
# password); otherwise says what to install and stops. Further R packages may be named.
set -eu

r_packages="testthat knitr rmarkdown Matrix $*"
debian_packages="r-base-core r-base-dev r-cran-testthat r-cran-knitr r-cran-rmarkdown
  r-cran-matrix pandoc fonts-dejavu-core locales $(for name; do echo "r-cran-$name"; done)"

# Prints one line for each thing that is missing.
missing() {
  if ! command -v Rscript >/dev/null 2>&1; then
    echo "R (version 4.1 or later)"
    echo "a C compiler"
    echo "the R packages $r_packages"
  else
    Rscript --vanilla -e 'if (getRversion() < "4.1") cat("R 4.1 or later: this is",
                                                         format(getRversion()), "\n")'
    compiler=$(R CMD config CC | cut -d' ' -f1)
    command -v "$compiler" >/dev/null 2>&1 || echo "the C compiler that R was built with: $compiler"
    for package in $r_packages; do
      Rscript --vanilla -e "quit(status = !nzchar(system.file(package = '$package')))" ||
        echo "the R package $package"
    done
  fi
  command -v pandoc >/dev/null 2>&1 || echo "pandoc"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  else
    sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
  fi
}

may_install() {
  command -v apt-get >/dev/null 2>&1 || return 1
  [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

lacking=$(missing)
[ -z "$lacking" ] && exit 0

echo "rkeops needs, and this machine lacks:"
echo "$lacking" | sed 's/^/  /'
if ! may_install; then
  echo
  echo "Install it, then run make again. On Debian or Ubuntu, as root:"
  echo "  apt-get install --no-install-recommends" $debian_packages
  echo "Elsewhere: R from https://www.r-project.org with its build tools (Rtools on Windows, Xcode"
  echo "command line tools on macOS), pandoc, and in R"
  echo "  install.packages(c(\"$(echo $r_packages | sed 's/ /", "/g')\"))"
  exit 1
fi

echo "Installing through apt:" $debian_packages
log=$(mktemp)
if ! { as_root apt-get update -qq &&
       as_root apt-get install -y -qq --no-install-recommends $debian_packages; } >"$log" 2>&1; then
  tail -n 20 "$log"
  echo "apt could not install what is missing."
  exit 1
fi
rm -f "$log"
lacking=$(missing)
if [ -n "$lacking" ]; then
  echo "Still missing after the installation:"
  echo "$lacking" | sed 's/^/  /'
  exit 1
fi
