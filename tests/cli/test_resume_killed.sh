#!/usr/bin/env bash
# A run killed by SIGKILL at any moment and resumed ends as an undisturbed one does: byte-equal weights, statistics and
# momentum, the same rows in metrics.csv. Arguments: when to kill, in rows of metrics.csv.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12

options=("${small[@]}" --max-epochs 2 --checkpoint.every_n_steps 2 --schedule.name plateau)
last=checkpoints/resnet18/last.ckpt
csv=logs/resnet18/version_0/metrics.csv
run 0 "$LINNET" train "${options[@]}" --out whole

[ $# -gt 0 ] || set -- 4 9 12 # in mid-epoch, at an epoch's border, in the first steps of the next
for rows in "$@"; do
  out=killed-$rows
  "$LINNET" train "${options[@]}" --out "$out" >/dev/null 2>&1 &
  pid=$!
  until [ "$(cat "$out/$csv" 2>/dev/null | wc -l)" -ge "$rows" ]; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.01
  done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  run 0 "$LINNET" train "${options[@]}" --out "$out" --resume auto
  [ "$(digest "$out/$last")" = "$(digest whole/$last)" ] || die "$out: other weights than the undisturbed run"
  same_metrics "whole/$csv" "$out/$csv"
  [ ! -e "$out/logs/resnet18/version_1" ] || die "$out: a resume began a new version"
done
