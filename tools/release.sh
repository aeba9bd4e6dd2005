#!/usr/bin/env bash
# The parts of ./dev release, in the folder of the source:
#   tools/release.sh check VERSION    is this tree the release VERSION?
#   tools/release.sh finish VERSION   adds the source and SHA256SUMS to the packages in build/package, prints what remains
set -euo pipefail
cd "$(dirname "$0")/.."
step=${1:-} version=${2:-}

die() { echo "release: $*" >&2; exit 1; }

check() {
  local changed stated heading
  changed=$(git status --porcelain)
  [ -z "$changed" ] || die "the tree has changes that are not committed: commit or remove them first"$'\n'"$changed"
  stated=$(sed -nE 's/^project\(linnet VERSION ([0-9.]+) .*/\1/p' CMakeLists.txt)
  [ "$stated" = "$version" ] || die "CMakeLists.txt has version $stated, not $version: change project(linnet VERSION ...)"
  heading=$(sed -nE 's/^## (.*)/\1/p' NEWS.md | head -n 1)
  [ "${heading%%,*}" = "$version" ] ||
    die "the first heading of NEWS.md is '$heading': change it to '$version, $(LC_ALL=C date '+%-d %B %Y')'"
  ! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || die "the tag v$version exists: choose the next version"
}

finish() {
  git archive --format=tar.gz --prefix="linnet-$version/" -o "build/package/linnet-$version.tar.gz" HEAD
  cd build/package
  sha256sum -- *.deb *.tar.gz >SHA256SUMS
  cat SHA256SUMS
  echo "build/package has the release. Nothing is tagged or pushed yet. To do so:"
  echo "  git tag -a v$version -m 'linnet $version' $(git rev-parse --short HEAD) && git push origin v$version"
}

[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "usage: tools/release.sh check|finish VERSION (such as 0.2.0)" >&2; exit 2; }
case $step in
  check) check && echo "the tree can be released as $version" ;;
  finish) finish ;;
  *) echo "usage: tools/release.sh check|finish VERSION" >&2; exit 2 ;;
esac
