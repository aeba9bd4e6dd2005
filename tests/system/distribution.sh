# Everything that a user of a Debian release does, in bare roots. To be sourced; then: distribution RELEASE
# shellcheck shell=bash
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"

# in_root SCRIPT [VARIABLE=VALUE...]: a script of tests/system/inside, in /linnet
in_root() {
  local script=$1
  shift
  debian_run env -C /linnet "$@" bash "tests/system/inside/$script" || {
    rc=$?
    echo "FAILED in $root: tests/system/inside/$script, exit code $rc" >&2
    exit 1
  }
}

# distribution RELEASE: the commands of the README and the package in one root, the installed package in another. The roots stay
# if something fails. LINNET_SKIP_DEV_TEST=1 leaves out ./dev test, the longest part.
distribution() {
  local with
  debian_open "$1" source
  with=$root
  debian_source
  in_root source.sh "LINNET_SKIP_DEV_TEST=${LINNET_SKIP_DEV_TEST:-}"
  debian_open "$1" package
  mkdir -p "$root/linnet/tests/system"
  cp "$with"/linnet/build/package/*.deb "$root/linnet/linnet.deb"
  cp -r "$LINNET_SOURCE/tests/system/inside" "$root/linnet/tests/system/"
  cp -r "$LINNET_SOURCE/examples" "$root/linnet/"
  in_root package.sh
  debian_close
  debian_remove "$with"
  debian_remove "$root"
}
