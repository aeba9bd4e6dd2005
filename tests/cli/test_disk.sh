#!/usr/bin/env bash
# A disk that is too small or becomes full. Before the first step the run is refused, or a warning is printed. Later the
# existing checkpoints remain, and the run continues and saves when there is enough space again. The run ends with an
# error if its final state was not saved.
if [ "$(id -u)" != 0 ] && [ -z "${LINNET_OWN_MOUNTS:-}" ] && unshare -rm true 2>/dev/null; then
  exec env LINNET_OWN_MOUNTS=1 unshare -rm bash "$0"
fi
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
small+=(--arch resnet18)
faults=$(dirname "$LINNET")/tests/faults.so
last=checkpoints/resnet18/last.ckpt
metrics=logs/resnet18/version_0/metrics.csv
options=(train "${small[@]}" --image-size 16 --checkpoint.top_k 1 --monitor.report false --monitor.device_seconds 0 --trainer.threads 1
  --trainer.limit_train_batches 2 --trainer.limit_val_batches 1)

# disk SIZE: an empty file system on $work/disk
disk() {
  umount disk 2>/dev/null || true
  mkdir -p disk
  mount -t tmpfs -o "size=$1" none disk 2>/dev/null
}
trap 'umount "$work/disk" 2>/dev/null || true; rm -rf "$work"' EXIT
no_temporary() { [ -z "$(find "$1" -name '*.tmp')" ] || die "$1: a temporary file is left"; }
one_line() { [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "not one line"; }; }
lacks() { ! grep -qF -- "$2" "$1" || { cat "$1" >&2; die "$1 contains '$2'"; }; }
step() { "$LINNET" info "$1" --json | sed -E 's/.*"step": ([0-9]+).*/\1/'; }
with_fault() { # FAULT COMMAND...
  local fault=$1
  shift
  ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$faults LINNET_FAULT=$fault "$@"
}

run 0 "$LINNET" "${options[@]}" --max-epochs 2 --out reference
bytes=$(stat -c %s reference/$last)

if disk 60m; then
  # not even one checkpoint fits: refused before the first step, also by the dry run
  run 1 "$LINNET" "${options[@]}" --max-epochs 1 --out disk
  one_line
  says err "has 60 MiB free, but a checkpoint of this run needs $(((bytes + 524288) / 1048576)) MiB"
  says err 'choose another --out'
  lacks err 'epoch 1/1'
  [ ! -e disk/$metrics ] || die "trained although nothing can be saved"
  run 1 "$LINNET" "${options[@]}" --max-epochs 1 --out disk --trainer.dry_run
  says err 'has 60 MiB free'
  # a run that saves nothing needs no disk space
  run 0 "$LINNET" "${options[@]}" --max-epochs 1 --out disk --checkpoint.top_k 0 --checkpoint.save_last false

  # the estimate counts validations: only the last of 3 epochs validates, so there is one best file
  disk 300m
  "$LINNET" "${options[@]}" --max-epochs 3 --checkpoint.top_k 3 --trainer.check_val_every_n_epoch 3 --out disk >out 2>err
  lacks err 'free, but'

  # the two files of one epoch fit if the incomplete file of a killed run is removed; the three files of two epochs do not
  disk 200m
  mkdir -p disk/checkpoints/resnet18
  head -c 150000000 /dev/zero >"disk/checkpoints/resnet18/epoch=7-val_loss=0.10.ckpt.tmp"
  run 0 "$LINNET" "${options[@]}" --max-epochs 1 --out disk
  lacks err 'free, but'
  no_temporary disk
  rm -r disk/checkpoints disk/logs
  run 1 "$LINNET" "${options[@]}" --max-epochs 2 --out disk
  says err 'has 200 MiB free, but the run needs space for 3 checkpoints of'
  says err 'checkpoint.top_k 1 + last.ckpt + 1'
  # the disk becomes full: the run continues to its end and reports that the final state is not saved
  says err 'epoch 2/2'
  says err 'training continues'
  one_line
  grep -q '^linnet: .*No space left on device.*at step.*--resume auto' err || { cat err >&2; die "the last message contains no advice"; }
  no_temporary disk
  run 0 "$LINNET" info disk/$last
  [ "$(tail -n 1 disk/$metrics | cut -d, -f1,2)" = "$(tail -n 1 reference/$metrics | cut -d, -f1,2)" ] || die "metrics.csv ends too early"
  # the advice in the message works
  mount -o remount,size=500m disk
  run 0 "$LINNET" "${options[@]}" --max-epochs 2 --out disk --resume auto
  [ "$(digest disk/$last)" = "$(digest reference/$last)" ] || die "other weights after the full disk"
  same_metrics disk/$metrics reference/$metrics

  # when there is enough space again, the run saves within seconds, not only at the end of an epoch
  disk 200m
  "$LINNET" "${options[@]}" --max-epochs 1000 --out disk >out 2>err &
  pid=$!
  for ((i = 0; i < 1200; i++)); do ! grep -q 'training continues' err || break; sleep 0.05; done
  before=$(step disk/$last)
  mount -o remount,size=500m disk
  for ((i = 0; i < 200; i++)); do ! grep -q 'there is enough space again' err || break; sleep 0.05; done
  kill -TERM $pid
  code=0
  wait $pid || code=$?
  says err 'there is enough space again'
  [ $code = 143 ] || { cat err >&2; die "stopped with $code"; }
  [ "$(step disk/$last)" -gt "$before" ] || die "not saved when there was enough space"
  no_temporary disk
  umount disk
else
  echo "no tmpfs may be mounted here: only injected write errors are tested"
fi

[ -e "$faults" ] || exit 0
# no checkpoint exists yet: the run ends at the first failure
run 1 with_fault full:.ckpt:1000 "$LINNET" "${options[@]}" --max-epochs 2 --out none
says err 'No space left'
lacks err 'epoch 2/2'
no_temporary none
# an earlier checkpoint exists: the run continues to its end and then fails
run 1 with_fault full:last.ckpt:$((bytes + 1000)) "$LINNET" "${options[@]}" --max-epochs 2 --out later
says err 'training continues'
says err 'epoch 2/2'
one_line
run 0 "$LINNET" info later/$last
no_temporary later
# a best file cannot be written, and last.ckpt is off: the state is saved as last.ckpt nevertheless
run 0 with_fault "full:epoch=:$((bytes + 1000))" "$LINNET" "${options[@]}" --checkpoint.top_k 3 --max-epochs 2 --out only --checkpoint.save_last false
says err 'training continues'
[ "$(digest only/$last)" = "$(digest reference/$last)" ] || die "only: other weights"
# the logs are kept in memory meanwhile; the run ends with an error if they could not be written
run 1 with_fault full:metrics.csv:400 "$LINNET" "${options[@]}" --max-epochs 2 --out logs
says err 'training continues'
says err 'epoch 2/2'
grep -q '^linnet: .*metrics.csv.*No space left' err || { cat err >&2; die "the lost rows are not reported"; }
[ "$(digest logs/$last)" = "$(digest reference/$last)" ] || die "logs: other weights"
