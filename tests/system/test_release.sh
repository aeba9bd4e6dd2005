#!/usr/bin/env bash
# tools/release.sh in a repository of its own: what it refuses, and what it makes. The tests and packages that ./dev release
# makes in between are left out.
set -euo pipefail
: "${LINNET_SOURCE:?the folder of the source}"
command -v git >/dev/null || { echo "skipped: no git"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/linnet-release-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

die() { echo "FAILED: $*" >&2; cat out >&2; exit 1; }
expect() { # exit code, text, arguments
  local want=$1 text=$2 got=0
  shift 2
  tools/release.sh "$@" >out 2>&1 || got=$?
  [ "$got" = "$want" ] || die "exit code $got, expected $want: $*"
  grep -qF -- "$text" out || die "$*: no '$text'"
}

mkdir -p tools cmake
cp "$LINNET_SOURCE/tools/release.sh" tools/
cp "$LINNET_SOURCE/cmake/revision" "$LINNET_SOURCE/cmake/revision.cmake" cmake/
cp "$LINNET_SOURCE/CMakeLists.txt" "$LINNET_SOURCE/.gitattributes" .
printf 'build/\nout\n' >.gitignore
printf '# News\n\n## 1 May 2031\n\n- x\n' >NEWS.md
git init -q .
commit() { git add -A && git -c user.name=x -c user.email=x@localhost commit -q -m x; }
commit
version=$(sed -nE 's/^project\(linnet VERSION ([0-9.]+) .*/\1/p' CMakeLists.txt)
[ -n "$version" ] || die "CMakeLists.txt has no version where the release looks for it"

expect 2 "usage:" check
expect 2 "usage:" check 1.x
expect 1 "CMakeLists.txt has version $version, not 77.0.0" check 77.0.0
expect 1 "the first heading of NEWS.md is '1 May 2031'" check "$version"
sed -i "s/^## 1 May/## $version, 1 May/" NEWS.md
expect 1 "not committed" check "$version"
commit
touch new-file
expect 1 "new-file" check "$version"
rm new-file
expect 0 "can be released" check "$version"

mkdir -p build/package
echo deb >build/package/x.deb
echo tgz >build/package/x.tar.gz
expect 0 "git tag -a v$version" finish "$version"
[ -z "$(git tag)" ] || die "a tag was made"
(cd build/package && sha256sum -c --quiet SHA256SUMS && [ "$(wc -l <SHA256SUMS)" = 3 ]) || die "SHA256SUMS"
# the source knows its commit without git
tar -xzf "build/package/linnet-$version.tar.gz"
if command -v cmake >/dev/null; then
  cmake -DSOURCE="$work/linnet-$version" -DOUTPUT="$work/out" -P cmake/revision.cmake
  grep -qF "\"$(git rev-parse HEAD)\"" out || die "the source tarball has no commit"
fi
rm -rf "linnet-$version"
git tag "v$version"
expect 1 "the tag v$version exists" check "$version"
