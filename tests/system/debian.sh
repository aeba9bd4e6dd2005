# Functions shared by the tests in a root of a Debian release. To be sourced; then: in_debian RELEASE
# shellcheck shell=bash
set -euo pipefail
: "${LINNET_SOURCE:?the folder of the source}"

skip() { echo "skipped: $*"; exit 77; }

debian_mount() {
  mount -t proc proc "$root/proc"
  mount --rbind /dev "$root/dev"
  mount --make-rslave "$root/dev"
  mount -t sysfs sysfs "$root/sys"
  mount -t tmpfs -o size=80% tmpfs "$root/tmp"
}

debian_unmount() {
  umount -R "$root/dev" "$root/proc" "$root/sys" "$root/tmp" 2>/dev/null || true
}

# debian_root RELEASE [NAME]: creates $root if it does not exist; the cache keeps it under NAME
debian_root() {
  local mirror
  [ "$(id -u)" = 0 ] || skip "chroot needs root: run as root"
  command -v debootstrap >/dev/null || skip "no debootstrap: apt install debootstrap"
  root=${LINNET_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/linnet-roots}/${2:-$1}
  if [ ! -e "$root/.complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/$' | head -n 1 || true)
    debootstrap --variant=minbase "$1" "$root" ${mirror:+"$mirror"} >"$root.log" 2>&1 || {
      tail -n 5 "$root.log"
      skip "debootstrap of $1 failed: see $root.log"
    }
    touch "$root/.complete"
  fi
  cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# debian_open RELEASE [NAME]: the root, with the file systems that programs need. Skips (77) if that is not permitted.
debian_open() {
  debian_root "$@"
  trap debian_unmount EXIT
  debian_unmount
  debian_mount || skip "file systems cannot be mounted here"
}

# debian_run COMMANDS: in the root
debian_run() {
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 bash -euc "$1"
}

# debian_source: a copy of this tree as /linnet in the root
debian_source() {
  rm -rf "$root/linnet"
  mkdir "$root/linnet"
  (cd "$LINNET_SOURCE" && git ls-files -z -co --exclude-standard | tar -cf - --null -T -) | tar -xf - -C "$root/linnet"
}

inside='
. /etc/os-release
echo "$PRETTY_NAME"
./dev test
./dev build
build/linnet doctor | grep oneDNN
build/linnet shapes /tmp/two/data --train 20 --val 4
build/linnet train --data /tmp/two/data --out /tmp/two --arch resnet18 --image-size 64 --batch-size 8 --max-epochs 1 \
  --devices 2
[ -s /tmp/two/checkpoints/resnet18/last.ckpt ]'

# in_debian RELEASE: in a root made by debootstrap with a copy of this tree, runs ./dev test and a training of two ranks.
in_debian() {
  debian_open "$1"
  debian_source
  if [ -d "$LINNET_SOURCE/../shared/data" ]; then
    mkdir -p "$root/shared"
    cp -a "$LINNET_SOURCE/../shared/." "$root/shared/"
  fi
  debian_run "cd /linnet; $inside" || { rc=$?; echo "FAILED in $1: exit code $rc" >&2; exit 1; }
}
