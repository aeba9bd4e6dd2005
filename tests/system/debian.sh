# What the tests in a root of another Debian release share. Source it with the release's name: debian.sh trixie
# shellcheck shell=bash
# in_debian RELEASE SCRIPT: a root of its own by debootstrap (kept in the cache for the next time), a copy of the
# tracked files in it as /linnet, SCRIPT run there. Skips (77) where that is not permitted.
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

# debian_root RELEASE: makes or finds $root
debian_root() {
  local mirror
  [ "$(id -u)" = 0 ] || skip "a root of its own needs root: run as root"
  command -v debootstrap >/dev/null || skip "no debootstrap: apt install debootstrap"
  root=${LINNET_ROOTS:-${XDG_CACHE_HOME:-$HOME/.cache}/linnet-roots}/$1
  if [ ! -e "$root/.complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | grep '/debian/$' | head -n 1 || true)
    debootstrap --variant=minbase "$1" "$root" "${mirror:-http://deb.debian.org/debian/}" >"$root.log" 2>&1 || {
      tail -n 5 "$root.log"
      skip "debootstrap of $1 failed: see $root.log"
    }
    touch "$root/.complete"
  fi
  cp /etc/resolv.conf "$root/etc/resolv.conf"
}

in_debian() { # RELEASE, SCRIPT
  local rc=0
  debian_root "$1"
  trap debian_unmount EXIT
  debian_unmount
  debian_mount || skip "file systems cannot be mounted here"
  rm -rf "$root/linnet"
  mkdir "$root/linnet"
  (cd "$LINNET_SOURCE" && git ls-files -z -co --exclude-standard | tar -cf - --null -T -) | tar -xf - -C "$root/linnet"
  if [ -d "$LINNET_SOURCE/../shared/data" ]; then
    mkdir -p "$root/shared"
    cp -a "$LINNET_SOURCE/../shared/." "$root/shared/"
  fi
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 bash -euc "cd /linnet; $2" || rc=$?
  [ $rc = 0 ] || { echo "FAILED in $1: exit code $rc" >&2; exit 1; }
}
