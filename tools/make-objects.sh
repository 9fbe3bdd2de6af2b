#!/bin/sh
# Rewrites the list of objects in src/Makevars from the .c files under src/.
# (An explicit list, since wildcards in Makevars are an extension of GNU make.)
set -eu
cd "$(dirname "$0")/../src"
list=$(find . -name '*.c' | sed 's|^\./||; s|\.c$|.o|' | LC_ALL=C sort | sed 's|^|  |; s|$| \\|' |
       sed '$s| \\$||')
{
  sed '/^OBJECTS *=/,$d' Makevars
  printf 'OBJECTS = \\\n%s\n' "$list"
} > Makevars.new
mv Makevars.new Makevars
