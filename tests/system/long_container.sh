#!/usr/bin/env bash
# deploy/container/Containerfile, built by podman on a base of debootstrap, and run as its own user with a read-only root, no
# network and no capability: one process and two ranks train, stop at SIGTERM with a checkpoint, and continue byte-equal.
# shellcheck source=tests/system/debian.sh
. "$(dirname "$0")/debian.sh"
[ "$(id -u)" = 0 ] || skip "needs root: run as root"
for tool in podman crun tar; do
  command -v $tool >/dev/null || skip "no $tool: apt install podman crun"
done
# crun refuses a machine with both versions of control groups: hide the second, from the processes of this test only
if [ -z "${LINNET_UNSHARED:-}" ]; then exec unshare --mount env LINNET_UNSHARED=1 bash "$0"; fi
if mountpoint -q /sys/fs/cgroup/unified; then umount -R /sys/fs/cgroup/unified; fi

release=trixie
debian_base $release
work=$roots/container
store=(--root "$work/store" --runroot "$work/run" --storage-driver "${LINNET_STORAGE:-overlay}" --cgroup-manager cgroupfs)
pod() { podman "${store[@]}" "$@"; }
clear_work() {
  pod rm --all --force >/dev/null 2>&1 || true
  pod rmi --all --force >/dev/null 2>&1 || true
  if mountpoint -q "$work/store/overlay"; then umount -R "$work/store/overlay"; fi
  debian_remove "$work"
}
die() { echo "FAILED: $*" >&2; exit 1; }
stage() { printf '== %s  %s\n' "$(date -u '+%F %T')" "$*"; }
mkdir -p "$work"
clear_work
mkdir -p "$work/source" "$work/runs"
trap clear_work EXIT

stage "base image of $release"
tar -C "$roots/$release" -cf - . | pod import - localhost/base >"$work/log" 2>&1 || {
  cat "$work/log"
  skip "podman import fails here"
}
limits=(--ulimit "nofile=1024:$(ulimit -Hn)" --ulimit "nproc=4096:4096" --cgroups=disabled)
pod run --rm "${limits[@]}" --network none localhost/base true >"$work/log" 2>&1 || {
  cat "$work/log"
  skip "podman cannot run a container here"
}

stage "podman build"
(cd "$LINNET_SOURCE" && git ls-files -z -co --exclude-standard | tar -cf - --null -T -) | tar -xf - -C "$work/source"
pod build --isolation chroot --build-arg BASE=localhost/base -t linnet -f "$work/source/deploy/container/Containerfile" \
  "$work/source" >"$work/build.log" 2>&1 || { tail -n 20 "$work/build.log" >&2; die "podman build"; }
pod images --format '{{.Repository}} {{.Size}}'

chown 1000:1000 "$work/runs"
safe=("${limits[@]}" --read-only --cap-drop all --security-opt no-new-privileges --network none --shm-size 256m
  -v "$work/runs:/runs")
linnet() { pod run --rm "${safe[@]}" linnet "$@"; }

stage "as a user, with a read-only root"
pod run --rm "${safe[@]}" --entrypoint sh linnet -euc '
  [ "$(id -u)" = 1000 ]
  for file in /usr/x /data/x; do
    if touch $file 2>/dev/null; then echo "$file can be written"; exit 1; fi
  done
  for program in gcc cc cmake; do
    if command -v $program; then exit 1; fi
  done
  touch /runs/x
  rm /runs/x'
linnet version
linnet doctor
linnet doctor | grep -E '^MPI +ready'
linnet shapes data --train 20 --val 4

options=(--data data --arch resnet18 --image-size 64 --batch-size 8 --lr 0.02 --max-epochs 2 --workers 1 --trainer.threads 1
  --trainer.log_every_n_steps 1)
digest() { linnet info "$1/checkpoints/resnet18/last.ckpt" --json | grep -o '"digest": "[^"]*"'; }
# stopped NAME OPTIONS...: `podman stop` in the middle of an epoch, then the same command again
stopped() {
  local name=$1 code=0 run
  shift
  stage "$name: stopped and resumed: ${*:-one process}"
  linnet train "${options[@]}" "$@" --out "whole-$name"
  pod run --name "$name" "${safe[@]}" linnet train "${options[@]}" "$@" --out "$name" --resume auto &
  run=$!
  until [ "$(cat "$work/runs/$name/logs/resnet18/version_0/metrics.csv" 2>/dev/null | wc -l)" -ge 3 ]; do
    kill -0 $run || die "$name: the run ended before it was stopped"
    sleep 0.05
  done
  pod stop --time 100 "$name" >/dev/null
  wait $run || code=$?
  [ $code = 143 ] || die "$name: podman stop ended it with status $code, not 143"
  pod rm "$name" >/dev/null
  linnet train "${options[@]}" "$@" --out "$name" --resume auto
  [ "$(digest "$name")" = "$(digest "whole-$name")" ] || die "$name: the resumed run has other weights"
}
stopped one
stopped two --devices 2
[ "$(find "$work/runs" ! -user 1000 | wc -l)" = 0 ] || die "files of another user in the volume"
stage "end of $0"
