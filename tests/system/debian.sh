# Functions shared by the tests in bare roots of a Debian release, made by debootstrap. To be sourced.
# shellcheck shell=bash
set -euo pipefail
: "${LINNET_SOURCE:?the folder of the source}"
roots=${LINNET_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/linnet-roots}
opened=()
root='' packages=''
trap debian_close EXIT

skip() { echo "skipped: $*"; exit 77; }

# Never removes what another file system has, such as the /dev of the machine.
debian_remove() { rm -rf --one-file-system "$1"; }

debian_unmount() {
  local folder
  for folder in dev proc sys tmp; do
    if mountpoint -q "$1/$folder"; then umount -R -l "$1/$folder"; fi
  done
}

debian_close() {
  local folder
  for folder in "${opened[@]}"; do
    debian_unmount "$folder"
    find "$folder/var/cache/apt/archives" -name '*.deb' -exec cp -alf -t "$packages" {} +
  done
  opened=()
}

debian_mount() {
  mount -t proc proc "$root/proc" &&
    mount --rbind /dev "$root/dev" &&
    mount --make-rslave "$root/dev" &&
    mount -t sysfs sysfs "$root/sys" &&
    mount -t tmpfs -o size=80% tmpfs "$root/tmp"
}

# debian_base RELEASE: $roots/RELEASE, which stays bare. Skips (77) if it cannot be made here.
debian_base() {
  local mirror base=$roots/$1
  [ "$(id -u)" = 0 ] || skip "chroot needs root: run as root"
  command -v debootstrap >/dev/null || skip "no debootstrap: apt install debootstrap"
  [ ! -e "$base/.complete" ] || return 0
  debian_remove "$base"
  mkdir -p "$base"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/$' | head -n 1 || true)
  debootstrap --variant=minbase "$1" "$base" ${mirror:+"$mirror"} >"$base.log" 2>&1 || {
    tail -n 5 "$base.log"
    skip "debootstrap of $1 failed: see $base.log"
  }
  touch "$base/.complete"
}

# debian_open RELEASE NAME: $root, a fresh copy of the bare root, with the file systems that programs need. The packages that
# apt downloads in it are kept for the next test.
debian_open() {
  debian_base "$1"
  root=$roots/$1-$2
  debian_unmount "$root"
  debian_remove "$root"
  cp -a --reflink=auto "$roots/$1" "$root"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  packages=$roots/$1.packages
  mkdir -p "$packages"
  find "$packages" -name '*.deb' -exec cp -alf -t "$root/var/cache/apt/archives" {} +
  opened+=("$root")
  debian_mount || skip "file systems cannot be mounted here"
}

# debian_run COMMAND...: in the root
debian_run() {
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$@"
}

# debian_source: a copy of this tree as /linnet in the root, and of shared/data beside it if there is one
debian_source() {
  mkdir "$root/linnet"
  (cd "$LINNET_SOURCE" && git ls-files -z -co --exclude-standard | tar -cf - --null -T -) | tar -xf - -C "$root/linnet"
  if [ -d "$LINNET_SOURCE/../shared/data" ]; then
    mkdir -p "$root/shared"
    cp -a "$LINNET_SOURCE/../shared/data" "$root/shared/"
  fi
}
