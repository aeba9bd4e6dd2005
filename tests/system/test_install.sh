#!/usr/bin/env bash
# cmake --install, with a prefix and with DESTDIR, and the .deb and .tar.gz that cpack makes of the build: what they contain,
# and that the installed program finds its MPI module and its configurations.
# shellcheck source=../cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
: "${LINNET_SOURCE:?the folder of the source}"
build=$(dirname "$LINNET")
command -v cmake >/dev/null || { echo "skipped: no cmake"; exit 77; }
module=
[ ! -e "$build/liblinnet_mpi.so" ] || module=lib/linnet/liblinnet_mpi.so

# has FOLDER: the files of a prefix
has() {
  local file
  for file in bin/linnet $module share/linnet/configs/demo.yaml share/doc/linnet/README.md share/doc/linnet/docs/formats.md \
    lib/systemd/system/linnet@.service share/doc/linnet/deploy/container/Containerfile \
    share/bash-completion/completions/linnet \
    share/zsh/site-functions/_linnet share/fish/vendor_completions.d/linnet.fish include/linnet/linnet.h \
    share/doc/linnet/examples/predict.c "${@:2}"; do
    [ -s "$1/$file" ] || die "$1 has no $file"
  done
  for file in liblinnet.so liblinnet.so.0; do
    [ -s "$(PKG_CONFIG_PATH=$(dirname "$(find "$1" -name linnet.pc)") pkg-config --variable=libdir linnet)/$file" ] ||
      die "$1: linnet.pc does not lead to $file"
  done
}

# works FOLDER: its program, away from the source
works() {
  local want
  want=$("$LINNET" doctor | grep '^MPI')
  run 0 "$1/bin/linnet" doctor
  [ "$(grep '^MPI' out)" = "$want" ] || { cat out >&2; die "the installed program: not '$want'"; }
  run 0 "$1/bin/linnet" train --config demo --print-config
  cp out by_name
  run 0 "$1/bin/linnet" train --config demo.yaml --print-config
  cmp out by_name || die "--config demo.yaml"
  run 0 "$1/bin/linnet" train --config "$LINNET_SOURCE/configs/demo.yaml" --print-config
  cmp out by_name || die "--config demo is another configuration"
  run 1 "$1/bin/linnet" train --config nothing --print-config
  says err "--config nothing: there is no such file, and no configuration of this name in $1/bin/"
  mkdir -p local
  echo 'trainer: {seed: 77}' >local/demo
  (cd local && "$1/bin/linnet" train --config demo --print-config) | grep -q 'seed: 77' ||
    die "a file of the name does not come first"
}

run 0 "$LINNET" train --config demo --print-config # the build folder has them too
run 0 cmake --install "$build" --prefix "$work/prefix"
has "$work/prefix" share/doc/linnet/LICENSE share/man/man1/linnet.1 share/man/man1/linnet-bench-train.1
works "$work/prefix"
if [ -n "$module" ] && [[ $("$LINNET" doctor | grep '^MPI') == *ready* ]]; then
  rm "prefix/$module"
  run 0 prefix/bin/linnet doctor
  grep -q '^MPI .*not found' out || { cat out >&2; die "the module is found elsewhere"; }
fi
DESTDIR=$work/stage run 0 cmake --install "$build" --prefix /opt/linnet
has "$work/stage/opt/linnet" share/man/man1/linnet.1
works "$work/stage/opt/linnet"

command -v dpkg-shlibdeps >/dev/null || { echo "the packages were not checked: no dpkg-shlibdeps (dpkg-dev)"; exit 0; }
run 0 cpack --config "$build/CPackConfig.cmake" -B "$work/package"
rm -rf package/_CPack_Packages
[ "$(find package -name '*.deb' | wc -l)" = 1 ] && [ "$(find package -name '*.tar.gz' | wc -l)" = 1 ] ||
  die "packages: $(ls package)"
mkdir unpacked
dpkg-deb -x package/*.deb unpacked
has "$work/unpacked/usr" share/doc/linnet/copyright share/doc/linnet/changelog.Debian.gz share/man/man1/linnet.1.gz
works "$work/unpacked/usr"
dpkg-deb -f package/*.deb >control
says control "Package: linnet"
says control "Section: science"
says control "Maintainer: linnet developers <linnet@localhost>"
grep -E '^Depends: .*libc6 .*libjansson4' control >depends || { cat control >&2; die "Depends"; }
dpkg-deb -e package/*.deb info
grep -q "ldconfig$" info/triggers || die "the package does not run ldconfig"
grep -q "^liblinnet 0 linnet" info/shlibs || die "shlibs: $(cat info/shlibs)"
! grep -q openmpi depends || die "the package depends on Open MPI"
[ -z "$module" ] || grep -qE '^Recommends: .*libopenmpi[0-9a-z]*.*, openmpi-bin$' control || { cat control >&2; die "Recommends"; }
mkdir archive
tar -xzf package/*.tar.gz -C archive --strip-components 1
has "$work/archive"
works "$work/archive"
