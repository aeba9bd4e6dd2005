#!/usr/bin/env bash
# A run killed by SIGKILL at any time and resumed gives the results of an uninterrupted run: identical bytes of weights,
# statistics and momentum, and the same rows in metrics.csv. Arguments: when to kill, in rows of metrics.csv.
# shellcheck source=tests/cli/resumed.sh
. "$(dirname "$0")/resumed.sh"

[ $# -gt 0 ] || set -- 4 9 12 # in the middle of an epoch, at its end, in the first steps of the next
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
  check "$out"
done

# SIGKILL around the end of an epoch: as its row is written to metrics.csv, and as its checkpoint is; each row is there
# once afterwards
faults=$(dirname "$LINNET")/tests/faults.so
if [ -e "$faults" ]; then
  rows=$(awk -F, 'NR > 1 && $6 != "" { print NR; exit }' reference/$csv) # the row of the first epoch
  bytes=$(head -n $((rows - 1)) reference/$csv | wc -c)
  for fault in "kill:metrics.csv:$bytes" 'kill:epoch=0:0'; do
    rm -rf border
    ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$faults LINNET_FAULT=$fault run 137 "$LINNET" train "${options[@]}" --checkpoint.every_n_steps 5 --out border
    run 0 "$LINNET" train "${options[@]}" --out border --resume auto
    check border
  done
fi
