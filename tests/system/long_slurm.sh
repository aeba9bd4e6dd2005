#!/usr/bin/env bash
# deploy/slurm/linnet.sbatch in a Slurm cluster of one node on Debian 13: it requeues itself and continues byte-equal.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
debian_open trixie slurm
debian_source
debian_run bash -euc '
  cd /linnet
  ./dev package
  apt-get -qq install -y --no-install-recommends ./build/package/linnet_*.deb openmpi-bin slurm-wlm slurm-client iproute2 \
    >/dev/null'
unshare --mount --uts --net --pid --fork bash -euc '
  mount -t proc proc "$1/proc"
  shift
  chroot "$@"' - "$root" "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  bash /linnet/tests/system/inside/slurm.sh || { echo "FAILED in $root: tests/system/inside/slurm.sh" >&2; exit 1; }
debian_close
debian_remove "$root"
