# The .deb in a root without a compiler. To be sourced; then: package_in RELEASE
# shellcheck shell=bash
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"

installed='
. /etc/os-release
echo "$PRETTY_NAME"
! command -v gcc cc make || { echo "the root has a compiler" >&2; exit 1; }
apt-get -qq update
# neither Open MPI nor documentation that minbase leaves out
apt-get -qq install -y --no-install-recommends /linnet.deb man-db bash-completion >/dev/null
linnet version
linnet doctor
linnet doctor | grep -E "^cpu engine +ready: oneDNN"
linnet doctor | grep -E "^MPI +MPI is not available: .*apt install openmpi-bin"
rm -rf /tmp/run
linnet shapes /tmp/run/data --train 20 --val 4
linnet train /tmp/run/data --config demo --out /tmp/run --max-epochs 1 --lr 0.02 --workers 1
[ -s /tmp/run/checkpoints/resnet18/last.ckpt ]
[ -z "$(man --warnings linnet-train 2>&1 >/tmp/page)" ]
grep -q "data.batch_size" /tmp/page
bash -ic "
  _completion_loader linnet 2>/dev/null || . /usr/share/bash-completion/completions/linnet
  COMP_WORDS=(linnet tr) COMP_CWORD=1
  _linnet
  [ \"\${COMPREPLY[*]}\" = train ]" 2>/dev/null
apt-get -qq install -y openmpi-bin >/dev/null
linnet doctor | grep -E "^MPI +ready"
linnet train /tmp/run/data --config demo --out /tmp/run/two --max-epochs 1 --lr 0.02 --workers 1 --devices 2
# the examples of liblinnet, which need a compiler
ckpt=$(find /tmp/run/checkpoints -name last.ckpt) image=$(find /tmp/run/data/val -name "*.jpg" | head -n 1)
apt-get -qq install -y --no-install-recommends gcc libc6-dev make pkg-config >/dev/null
cp -r /usr/share/doc/linnet/examples /tmp/examples
make -C /tmp/examples
/tmp/examples/predict $ckpt $image | tee /tmp/predicted
linnet predict $ckpt $image --csv | awk -F, "NR > 1 { print \$4 \",\" \$3 \",\" \$5 }" | cmp - /tmp/predicted
/tmp/examples/batches /tmp/run/data data.batch_size 50 | grep "^batch 3: 50 images"
apt-get -qq purge -y gcc libc6-dev make pkg-config >/dev/null
apt-get -qq autoremove --purge -y >/dev/null
apt-get -qq purge -y linnet >/dev/null
[ ! -e /usr/bin/linnet ] && [ ! -e /usr/share/linnet ] && [ ! -e /usr/lib/linnet ] && [ -z "$(find /usr/lib -name "liblinnet*")" ]'

# package_in RELEASE: makes the .deb in the root with a compiler, where in_debian runs ./dev test, and installs it in one
# without; trains there with one rank and, with Open MPI installed, with two.
package_in() {
  local with
  debian_open "$1"
  debian_source
  debian_run "cd /linnet; ./dev package" || { echo "FAILED in $1: ./dev package" >&2; exit 1; }
  with=$root
  debian_unmount
  debian_open "$1" "$1-bare"
  cp "$with"/linnet/build/package/*.deb "$root/linnet.deb"
  debian_run "apt-get -qq purge -y linnet gcc libc6-dev make pkg-config openmpi-bin 'libopenmpi*' >/dev/null 2>&1 || true; apt-get -qq autoremove --purge -y >/dev/null; $installed" ||
    { echo "FAILED in $1: the installed package" >&2; exit 1; }
}
