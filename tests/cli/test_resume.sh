#!/usr/bin/env bash
# A run stopped by a signal and resumed gives the results of an uninterrupted run: identical bytes of weights,
# statistics and momentum, and the same rows in metrics.csv. Also changes that a resume refuses.
# shellcheck source=tests/cli/resumed.sh
. "$(dirname "$0")/resumed.sh"

# SIGINT, SIGTERM and SIGHUP save at the next step and end with 130, 143 and 129; SIGUSR1 saves and continues
stopped() { # signal, exit code
  local out=stopped-$1 code=0
  "$LINNET" train "${options[@]}" --checkpoint.every_n_steps 0 --out "$out" >/dev/null 2>err &
  pid=$!
  until [ "$(cat "$out/$csv" 2>/dev/null | wc -l)" -ge 4 ]; do sleep 0.01; done
  kill "-$1" $pid
  wait $pid || code=$?
  [ "$code" = "$2" ] || { cat err >&2; die "SIG$1 ended with $code, not $2"; }
  says err "stopped by SIG$1 at step"
  says err "--resume auto"
  grep -q "	stop	by SIG$1, saved" "${out}/${csv%/*}/journal.log" || die "the journal does not contain SIG$1"
  run 0 "$LINNET" train "${options[@]}" --checkpoint.every_n_steps 0 --out "$out" --resume auto
  check "$out"
}
stopped INT 130
stopped TERM 143
stopped HUP 129

"$LINNET" train "${options[@]}" --checkpoint.every_n_steps 0 --out usr1 >/dev/null 2>err &
pid=$!
until [ "$(cat "usr1/$csv" 2>/dev/null | wc -l)" -ge 3 ]; do sleep 0.01; done
kill -USR1 $pid
wait $pid || die "SIGUSR1 ended the run"
says err "requested by a signal"
check usr1

# resuming a finished run changes nothing; with more epochs it continues
run 0 "$LINNET" train "${options[@]}" --out reference --resume auto
same_metrics "reference/$csv" "usr1/$csv"
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --out usr1 --resume "usr1/$last" --json
says out '"epochs": 3'

# options that must not change in the middle of an epoch
run 0 "$LINNET" train "${options[@]}" --trainer.max_steps 3 --out middle
run 2 "$LINNET" train "${options[@]}" --out middle --resume auto --batch-size 8
says err 'data.batch_size = 16, but the value is now 8'
run 2 "$LINNET" train "${options[@]}" --out middle --resume auto --data.repeats 2
says err 'data.repeats = 1, but the value is now 2'

# a resume keeps the order of a resize's passes; it is an item of the checkpoint
horizontal=("${options[@]}" --data.resize_order horizontal)
run 0 "$LINNET" train "${horizontal[@]}" --out horizontal
run 0 "$LINNET" train "${horizontal[@]}" --trainer.max_steps 3 --out older
run 0 "$LINNET" train "${options[@]}" --out older --resume auto
says err 'data.resize_order horizontal, as in'
[ "$(digest horizontal/$last)" = "$(digest older/$last)" ] || die "the order of the passes is not that of the run"
[ "$(digest horizontal/$last)" != "$(digest whole/$last)" ] || die "data.resize_order has no effect"
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --out older --resume auto --data.resize_order newest
says err 'was trained with data.resize_order horizontal, but the run now uses newest'

# the LR that a resume prints is that of the next step, also in a warm-up with accumulation
warm=("${options[@]}" --out warm --batch-size 8 --trainer.global_batch 24 --schedule.warmup_epochs 1)
run 0 "$LINNET" train "${warm[@]}" --trainer.max_steps 2
run 0 "$LINNET" train "${warm[@]}" --trainer.max_steps 3 --resume auto
printed=$(sed -nE 's/.*resumed from .*, step 2, LR ([0-9.e-]+)$/\1/p' err)
rate=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "step") s = i; if ($i ~ /^lr/) l = i } next }
  $s == 2 { printf "%.4g", $l }' warm/$csv)
[ -n "$rate" ] && [ "$printed" = "$rate" ] || die "the resume prints LR '$printed', the next step has '$rate'"

# a second process in the same folder is refused
"$LINNET" train "${options[@]}" --max-epochs 50 --out busy >/dev/null 2>&1 &
pid=$!
until [ -s busy/$csv ]; do sleep 0.01; done
run 1 "$LINNET" train "${options[@]}" --out busy
says err 'is locked by process'
kill -KILL $pid
wait $pid 2>/dev/null || true
