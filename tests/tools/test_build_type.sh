#!/usr/bin/env bash
# A build folder without a preset is optimised, with the compiler flags of the release preset. Only configures.
set -euo pipefail
: "${LINNET_SOURCE:?the source folder}"
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-build-type-XXXXXX")
trap 'rm -rf "$work"' EXIT

die() { echo "FAILED: $*" >&2; exit 1; }
# configure FOLDER ARGUMENTS...
configure() {
  local folder=$work/$1
  shift
  env -u CFLAGS cmake -G Ninja -S "$LINNET_SOURCE" -B "$folder" -DBUILD_TESTING=OFF -DLINNET_CUDA=OFF "$@" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; die "cmake $*"; }
}
# flags FOLDER: the flags of an ordinary source file
flags() {
  grep '"command"' "$work/$1/compile_commands.json" | grep 'src/base/status\.c' |
    grep -oE ' -(O[0-9a-z]*|g[0-9]*|DNDEBUG)\b' | tr -d ' ' | sort | tr '\n' ' '
}
build_type() { sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=//p' "$work/$1/CMakeCache.txt"; }

cd "$LINNET_SOURCE"
configure plain
configure preset --preset release
[ "$(build_type plain)" = Release ] || die "without a preset the build type is '$(build_type plain)'"
[ "$(flags preset)" = '-O3 ' ] || die "the release preset compiles with '$(flags preset)'"
[ "$(flags plain)" = "$(flags preset)" ] || die "without a preset: '$(flags plain)', the preset: '$(flags preset)'"

# explicit settings are kept
configure debug -DCMAKE_BUILD_TYPE=Debug
[ "$(build_type debug)" = Debug ] && [ "$(flags debug)" = '-g ' ] || die "Debug: '$(flags debug)'"
configure own -DCMAKE_C_FLAGS_RELEASE=-O2
[ "$(flags own)" = '-O2 ' ] || die "own flags: '$(flags own)'"
