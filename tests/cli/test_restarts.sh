#!/usr/bin/env bash
# --restarts continues from the last checkpoint of this run, never from another run in the same folder; there is no
# restart after a permanent failure or a stop.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12
small+=(--arch resnet18)
faults=$(dirname "$LINNET")/tests/faults.so
csv=logs/resnet18/version_0/metrics.csv
options=("${small[@]}" --image-size 16 --max-epochs 2 --checkpoint.every_n_steps 2 --schedule.name none --monitor.report false)
run 0 "$LINNET" train "${options[@]}" --out reference
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --out used
starts() { grep -c '^training  ' err || true; }

# a new run in the folder of an older one fails before its first save: it starts from the beginning and fails again
if [ -e "$faults" ]; then
  ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$faults LINNET_FAULT=full:metrics.csv:10 run 1 "$LINNET" train "${options[@]}" --out used --restarts 1
  says err 'restart 1 of 1 starts in 1 s from the beginning: no checkpoint was saved'
  says err 'No space left'
  ! grep -q 'resumed from\|already done' err || { cat err >&2; die "the new run resumed another one"; }
fi

# killed CSV OPTIONS...: SIGKILL of the launcher's only child when the rows are written, with one restart
killed() {
  local rows=$1 file=$2
  shift 2
  "$LINNET" train "${options[@]}" "$@" >out 2>err &
  pid=$!
  until [ "$(cat "$file" 2>/dev/null | wc -l)" -ge "$rows" ]; do
    kill -0 $pid 2>/dev/null || { cat err >&2; die "the run ended before it was killed"; }
    sleep 0.01
  done
  kill -KILL "$(cat /proc/$pid/task/$pid/children)"
  code=0
  wait $pid || code=$?
  [ $code = 0 ] || { cat err >&2; die "a restarted run ended with $code"; }
}
killed 6 new/$csv --out new --restarts 1
[ "$(digest new/checkpoints/resnet18/last.ckpt)" = "$(digest reference/checkpoints/resnet18/last.ckpt)" ] || die "new: the weights differ"
# in the folder of a run with more steps, initialised from a file
next=$(find used/logs/resnet18 -maxdepth 1 -name 'version_*' | wc -l)
killed 6 "used/logs/resnet18/version_$next/metrics.csv" --out used --restarts 1 --init reference/checkpoints/resnet18/last.ckpt
says err 'restart 1 of 1 starts in 1 s from /'
grep -q 'resumed from .*/last-v1.ckpt' err || { cat err >&2; die "not resumed from a checkpoint of this run"; }
[ "$(starts)" = 2 ] || die "not two starts"

# permanent failures
cp -r data damaged
find damaged/train -name '*.jpg' | head -n 30 | while read -r f; do echo no image >"$f"; done
run 1 "$LINNET" train "${options[@]}" --data damaged --out bad --restarts 3
says err 'data.max_bad'
says err 'not restarted'
[ "$(starts)" = 1 ] || { cat err >&2; die "$(starts) starts"; }
run 1 "$LINNET" train "${options[@]}" --lr 1e6 --trainer.clip_norm 0 --out blown --restarts 3
says err 'not restarted'
run 1 "$LINNET" train "${options[@]}" --data nowhere --restarts 3
says err 'not restarted'

# SIGUSR2 stops the run itself: no restart
"$LINNET" train "${options[@]}" --out stopped --restarts 3 >out 2>err &
pid=$!
until [ "$(cat stopped/$csv 2>/dev/null | wc -l)" -ge 4 ]; do sleep 0.01; done
kill -USR2 "$(cat /proc/$pid/task/$pid/children)"
code=0
wait $pid || code=$?
[ $code = 143 ] || { cat err >&2; die "SIGUSR2 ended with $code"; }
[ "$(starts)" = 1 ] || die "SIGUSR2: $(starts) starts"
