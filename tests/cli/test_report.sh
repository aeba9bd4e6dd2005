#!/usr/bin/env bash
# The report of a run: what a run leaves, from logs alone, of several runs; the plateau's cuts in the journal.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
plateau=(train "${small[@]}" --schedule.name plateau --schedule.patience 0 --schedule.threshold 0.9 --checkpoint.top_k 1)

run 0 "$LINNET" "${plateau[@]}" --max-epochs 4 --out whole
logs=whole/logs/resnet18/version_0
[ "$(grep -c '	lr	.*ReduceLROnPlateau' $logs/journal.log)" -ge 2 ] || die "the journal lacks the plateau's cuts"
grep -q '	best	' $logs/journal.log || die "the journal lacks the best checkpoints"
[ "$(tail -n 1 $logs/journal.log | cut -f 2,4)" = "4	end" ] || die "the journal has no end, or not in epoch 4"
[ -s $logs/device.csv ] || die "no device.csv"

# a plateau resumed behind each epoch has seen what the whole run saw
run 0 "$LINNET" "${plateau[@]}" --max-epochs 1 --out parts
parts_logs=parts/logs/resnet18/version_0
mv $parts_logs/journal.log $parts_logs/events.log # its name in older versions: a resume continues it
for epochs in 2 4; do run 0 "$LINNET" "${plateau[@]}" --max-epochs $epochs --out parts --resume auto; done
[ "$(grep -cE '	(start|resume)	' $parts_logs/journal.log)" = 3 ] || die "the journal of an older version was not continued"
[ ! -e $parts_logs/events.log ] || die "events.log was not renamed"
[ "$(digest parts/checkpoints/resnet18/last.ckpt)" = "$(digest whole/checkpoints/resnet18/last.ckpt)" ] ||
  die "the plateau forgot something"
same_metrics $logs/metrics.csv $parts_logs/metrics.csv

# whole REPORT: every picture it names is there
whole() {
  local dir picture
  dir=$(dirname "$1")
  grep -oE '\]\([^)]*\.png\)' "$1" | tr -d '])(' | while read -r picture; do
    [ -s "$dir/$picture" ] || die "$1 names $picture, which is not there"
  done
}
for part in '## Loss' '## Epochs' '## Journal' 'ReduceLROnPlateau' 'resnet18' 'epoch='; do says whole/viewlogs.md "$part"; done
whole whole/viewlogs.md

# from the logs alone: the same page
cp whole/viewlogs.md before.md
mkdir moved && cp -r whole/logs moved/
run 0 "$LINNET" report moved
cmp moved/viewlogs.md before.md || die "the report from the logs is another one"
whole moved/viewlogs.md
run 0 "$LINNET" report whole parts --out both --json
says both/viewlogs.md 'Comparison of 2 runs'
whole both/viewlogs.md
run 1 "$LINNET" report data
says err 'data contains no run'

# a loss that falls: the best of one evicts the one before
run 0 "$LINNET" train "${small[@]}" --max-epochs 5 --lr 1 --trainer.clip_norm 0 --schedule.step_size 1 \
  --schedule.gamma 0.01 --checkpoint.top_k 1 --out falls
evicted=$(grep -c '	evicted	' falls/logs/resnet18/version_0/journal.log || true)
[ "$evicted" -ge 1 ] || die "nothing was evicted"
[ "$(grep -c '	best	' falls/logs/resnet18/version_0/journal.log)" = $((evicted + 1)) ] || die "best and evicted do not fit"

# an LR finder beside a run does not hide it; a resumed run keeps its worst images and what was logged once
cp falls/viewlogs.md before.md
run 0 "$LINNET" find-lr "${small[@]}" --lr_finder.steps 16 --lr_finder.min 1e-3 --out falls
cmp falls/viewlogs.md before.md || die "find-lr replaced the report of a run"
run 0 "$LINNET" report falls --json
says falls/viewlogs.md '5 of 5 epochs'
run 0 "$LINNET" train "${small[@]}" --max-epochs 6 --lr 0.001 --checkpoint.top_k 1 \
  --trainer.max_steps 26 --out falls --resume falls/checkpoints/resnet18/last.ckpt
grep -q '	lr	base LR 1 -> 0.001' falls/logs/resnet18/version_0/journal.log || die "the journal lacks the new base LR"
says falls/logs/resnet18/version_0/run.json '"worst"'
run 2 "$LINNET" find-lr "${small[@]}" --resume auto --out falls
says err 'leave out --resume'

# with reports off nothing is written beside the logs
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --schedule.warmup_epochs 1 --monitor.report false \
  --monitor.device_seconds 0 --out quiet
[ ! -e quiet/viewlogs.md ] || die "a report although it is off"
[ ! -e quiet/logs/resnet18/version_0/device.csv ] || die "device.csv although it is off"
grep -q '	lr	warm-up from' quiet/logs/resnet18/version_0/journal.log || die "the journal lacks the warm-up"
grep -q '	lr	.*end of the warm-up' quiet/logs/resnet18/version_0/journal.log || die "the journal lacks its end"

# a run that was killed is not running
"$LINNET" train "${small[@]}" --max-epochs 50 --out killed >/dev/null 2>&1 &
pid=$!
until grep -q running killed/logs/resnet18/version_0/run.json 2>/dev/null; do sleep 0.01; done
run 0 "$LINNET" report killed
grep -q '"state": "running"' killed/logs/resnet18/version_0/run.json || die "a report ended a run that is running"
kill -KILL $pid
wait $pid 2>/dev/null || true
run 0 "$LINNET" report killed
says killed/viewlogs.md '**lost**'
says killed/logs/resnet18/version_0/run.json '"state": "lost"'
