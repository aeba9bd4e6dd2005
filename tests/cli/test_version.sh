#!/usr/bin/env bash
# linnet version: its keys, and that they agree with --version, doctor and the source.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
run 0 "$LINNET" version --json
keys='version commit build_type compiler onednn cpu_levels mpi cuda'
[ "$(grep -oE '"[a-z_]+": ' out | tr -d '": ' | tr '\n' ' ')" = "$keys " ] || { cat out >&2; die "keys"; }
value() { sed -nE "s/.*\"$1\": (\"[^\"]*\"|\\[[^]]*\\]|null).*/\\1/p" out; }
version=$(value version)
[ "$("$LINNET" --version)" = "linnet $(tr -d '"' <<<"$version")" ] || die "version $version"
[[ $(value commit) =~ ^(null|\"[0-9a-f]{40}(-dirty)?\")$ ]] || die "commit $(value commit)"
if [ -e "$(dirname "$LINNET")/liblinnet_mpi.so" ]; then [[ $(value mpi) == '"Open MPI '* ]]; else [ "$(value mpi)" = null ]; fi ||
  die "mpi $(value mpi)"
engine=$("$LINNET" doctor | sed -n 's/^cpu engine  *//p')
if [ "$(value onednn)" = null ]; then
  [[ $engine == "built without oneDNN"* ]] || die "doctor: $engine"
  [ "$(value cpu_levels)" = "[]" ] || die "levels $(value cpu_levels)"
else
  [[ $engine == *"oneDNN $(value onednn | tr -d '"'),"* ]] || die "doctor: $engine"
  [[ $(value cpu_levels) == '["sse41"'* ]] || die "levels $(value cpu_levels)"
fi
run 0 "$LINNET" version
[ "$(head -n 1 out)" = "$("$LINNET" --version)" ] || die "the first line: $(head -n 1 out)"
run 2 "$LINNET" version 1
