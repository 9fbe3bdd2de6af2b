#!/bin/sh
# test-r45.sh BUILD [FILTER]: the R tests (or the files that FILTER matches) on Debian 13, whose R is
# 4.5: methods of `%*%` and crossprod() are found in another way from R 4.3 and 4.4 on. The system
# is made once, by debootstrap, in the folder RKEOPS_DEBIAN_13 (a gigabyte, in the user's cache: not in
# the checkout, which R CMD build copies); tests run in a chroot.
# Needs root, Linux with apt, and a mirror of Debian. Where it cannot be made: a line that says why,
# and status 3. Writes "passed failed skipped" to the file BUILD/r45.counts.
set -u
build=$1
filter=${2:-}
suite=trixie
base=${RKEOPS_DEBIAN_13:-${XDG_CACHE_HOME:-$HOME/.cache}/rkeops-debian-13}
rm -f "$build/r45.counts"

cannot() {
  echo "R 4.5 was not tested: $1"
  exit 3
}

inside() {
  env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive $(env | grep -iE '^(https?_proxy|no_proxy)=') \
    chroot "$base" "$@"
}

mounted=
unmount() {
  for place in $mounted; do umount -R -l "$base/$place" 2>/dev/null; done
  mounted=
}
trap unmount EXIT
trap 'exit 1' INT TERM

mount_all() {
  for place in proc sys dev; do
    mount --rbind "/$place" "$base/$place" && mount --make-rslave "$base/$place" ||
      cannot "/$place cannot be mounted in $base"
    mounted="$mounted $place"
  done
}

# That of this machine, if it says which.
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
    sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb (\[[^]]*\] )?([^ ]+) .*/\2/p' | sed -n 1p
}

make_system() {
  [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null || cannot "this is no Debian"
  [ "$(id -u)" = 0 ] || cannot "root may make another system in a folder, and nobody else"
  if ! command -v debootstrap >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; } \
      >/dev/null 2>&1 || cannot "apt could not install debootstrap"
  fi
  rm -rf --one-file-system "$base"
  mkdir -p "$base"
  chmod 755 "$base"
  debootstrap --variant=minbase --include=ca-certificates $suite "$base" $(mirror) \
    > "$build/debian-13.log" 2>&1 || cannot "debootstrap failed, see $build/debian-13.log"
  cp -L /etc/resolv.conf /etc/hosts "$base/etc/" 2>/dev/null
  cp -a /etc/apt/apt.conf.d/. "$base/etc/apt/apt.conf.d/" 2>/dev/null
  if [ -d /usr/local/share/ca-certificates ]; then
    cp -a /usr/local/share/ca-certificates/. "$base/usr/local/share/ca-certificates/"
    inside update-ca-certificates >/dev/null 2>&1
  fi
  mount_all
  { inside apt-get update -qq &&
    inside apt-get install -y -qq --no-install-recommends r-base-core r-base-dev r-cran-testthat \
      r-cran-matrix tcl tk locales; } >> "$build/debian-13.log" 2>&1 ||
    cannot "apt could not install R there, see $build/debian-13.log"
  touch "$base/ready"
}

if [ -e "$base/ready" ]; then mount_all; else make_system; fi
tarball=$(ls "$build"/rkeops_*.tar.gz 2>/dev/null | tail -n 1)
[ -n "$tarball" ] || { echo "no tarball of the package in $build: make library first"; exit 1; }
rm -rf "$base/root/rkeops"
mkdir -p "$base/root/rkeops/tests" "$base/root/rkeops/tools" "$base/root/library"
cp -R tests/testthat "$base/root/rkeops/tests"
cp tools/r-tests.R "$base/root/rkeops/tools"
cp "$tarball" "$base/root/rkeops"
if ! inside sh -c 'cd /root/rkeops && MAKEFLAGS=-j2 R CMD INSTALL --library=/root/library \
     rkeops_*.tar.gz' > "$build/debian-13-install.log" 2>&1
then
  tail -n 30 "$build/debian-13-install.log"
  exit 1
fi
# a command in the background is started with interrupts ignored, and tests of them interrupt R
inside env --default-signal=INT R_LIBS=/root/library ${NOT_CRAN:+NOT_CRAN=$NOT_CRAN} sh -c \
  "cd /root/rkeops && Rscript -e 'cat(R.version.string, \"\\n\")' &&
   Rscript tools/r-tests.R r45.counts ${filter:+'$filter'}"
status=$?
cp "$base/root/rkeops/r45.counts" "$build/r45.counts" 2>/dev/null
exit $status
