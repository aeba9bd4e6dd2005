#!/usr/bin/env bash
# Ctrl-C prints a message at once, even during a long step. A second Ctrl-C exits without saving, with its own message
# and exit code.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 40
small+=(--arch resnet18)
# a step of many seconds
long=(train --data data --arch resnet18 --image-size 64 --batch-size 16 --trainer.accumulate 25 --workers 1 --trainer.threads 1
  --precision 32-true --lr 0.01 --max-epochs 1 --monitor.report false)
begin() { # FOLDER
  "$LINNET" "${long[@]}" --out "$1" >out 2>err &
  pid=$!
  until grep -q '^checkpoints ' err; do sleep 0.01; done
  sleep 0.3 # in the first step
}
within() { # SECONDS TEXT
  for _ in $(seq $(($1 * 100))); do
    grep -qF -- "$2" err && return
    sleep 0.01
  done
  cat err >&2
  die "'$2' is not printed within $1 s"
}
begin twice
kill -INT $pid
within 1 'stopping: a checkpoint is saved after this step; press Ctrl-C again to exit without saving'
kill -0 $pid 2>/dev/null || die "the step ended before it could be interrupted twice"
kill -INT $pid
code=0
start=$SECONDS
wait $pid || code=$?
[ $code = 3 ] || { cat err >&2; die "a second SIGINT ended with $code"; }
[ $((SECONDS - start)) -le 2 ] || die "a second SIGINT did not end the run at once"
says err 'exited without saving a checkpoint'
[ -z "$(find twice/checkpoints -name '*.ckpt*')" ] || die "a checkpoint was saved"

small=("${small[@]}" --image-size 16 --max-epochs 9 --monitor.report false)
"$LINNET" train "${small[@]}" --out once >out 2>err &
pid=$!
until [ "$(cat once/logs/resnet18/version_0/metrics.csv 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.01; done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code = 143 ] || die "SIGTERM ended with $code"
says err 'stopping: a checkpoint is saved after this step; send a second signal to exit without saving'
says err 'stopped by SIGTERM at step'

# a command that saves nothing
"$LINNET" audit data --threads 1 >out 2>err &
pid=$!
sleep 0.1
kill -INT $pid 2>/dev/null || true
code=0
wait $pid || code=$?
if [ $code != 0 ]; then # the audit was still running
  [ $code = 130 ] || { cat err >&2; die "an interrupted audit ended with $code"; }
fi
! grep -q 'saving' err || { cat err >&2; die "the audit mentions saving"; }
