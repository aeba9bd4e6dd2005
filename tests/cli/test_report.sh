#!/usr/bin/env bash
# The report of a run: with all files of a run, from only the logs, of several runs; the LR reductions of the plateau
# schedule in the journal.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--arch resnet18)
plateau=(train "${small[@]}" --schedule.name plateau --schedule.patience 0 --schedule.threshold 0.9 --checkpoint.top_k 1)

run 0 "$LINNET" "${plateau[@]}" --max-epochs 4 --out reference
logs=reference/logs/resnet18/version_0
[ "$(grep -c '	lr	.*ReduceLROnPlateau' $logs/journal.log)" -ge 2 ] || die "the journal lacks the reductions of the LR"
grep -q '	best	' $logs/journal.log || die "the journal lacks the best checkpoints"
[ "$(tail -n 1 $logs/journal.log | cut -f 2,4)" = "4	end" ] || die "the journal has no end, or not in epoch 4"
[ -s $logs/device.csv ] || die "no device.csv"

# a plateau schedule that is resumed after each epoch gives the same run
run 0 "$LINNET" "${plateau[@]}" --max-epochs 1 --out parts
parts_logs=parts/logs/resnet18/version_0
mv $parts_logs/journal.log $parts_logs/events.log # its name in older versions: a resume continues it
for epochs in 2 4; do run 0 "$LINNET" "${plateau[@]}" --max-epochs $epochs --out parts --resume auto; done
[ "$(grep -cE '	(start|resume)	' $parts_logs/journal.log)" = 3 ] || die "the journal of an older version was not continued"
[ ! -e $parts_logs/events.log ] || die "events.log was not renamed"
[ "$(digest parts/checkpoints/resnet18/last.ckpt)" = "$(digest reference/checkpoints/resnet18/last.ckpt)" ] ||
  die "the state of the plateau schedule was not restored"
same_metrics $logs/metrics.csv $parts_logs/metrics.csv

# check_pictures REPORT: every picture in it exists
check_pictures() {
  local dir picture
  dir=$(dirname "$1")
  grep -oE '\]\([^)]*\.png\)' "$1" | tr -d '])(' | while read -r picture; do
    [ -s "$dir/$picture" ] || die "$1 contains $picture, which does not exist"
  done
}
# check_html FOLDER: report.html has as many pictures as viewlogs.md, inside; a build without cmark-gfm has none
check_html() {
  local pictures
  if [[ $("$LINNET" doctor) == *"no cmark-gfm"* ]]; then
    [ ! -e "$1/report.html" ] || die "a report.html without cmark-gfm"
    return
  fi
  pictures=$(grep -c '^!\[' "$1/viewlogs.md" || true)
  [ "$(grep -o '<img [^>]*src="data:image/png;base64,' "$1/report.html" | wc -l)" = "$pictures" ] ||
    die "$1/report.html does not contain the $pictures pictures of viewlogs.md"
  [ "$(tail -n 1 "$1/report.html")" = "</html>" ] || die "$1/report.html is not complete"
}
for part in '## Loss' '## Epochs' '## Event log' 'ReduceLROnPlateau' 'resnet18' 'epoch='; do says reference/viewlogs.md "$part"; done
check_pictures reference/viewlogs.md
check_html reference

# from only the logs: the same page
cp reference/viewlogs.md before.md
mkdir moved && cp -r reference/logs moved/
run 0 "$LINNET" report moved
cmp moved/viewlogs.md before.md || die "the report from the logs differs"
check_pictures moved/viewlogs.md
check_html moved
run 0 "$LINNET" report reference parts --out both --json
says both/viewlogs.md 'Comparison of 2 runs'
says both/viewlogs.md '| | reference | parts |' # the part in which the paths differ
check_pictures both/viewlogs.md
check_html both
grep -Eq '"html": ("both/report.html"|null)' out || { cat out >&2; die "report --json does not name report.html"; }
run 1 "$LINNET" report data
says err 'data contains no run'

# a decreasing loss: with top_k 1, each best file evicts the previous one
run 0 "$LINNET" train "${small[@]}" --max-epochs 5 --lr 1 --trainer.clip_norm 0 --schedule.step_size 1 \
  --schedule.gamma 0.01 --checkpoint.top_k 1 --out falls
evicted=$(grep -c '	evicted	' falls/logs/resnet18/version_0/journal.log || true)
[ "$evicted" -ge 1 ] || die "no checkpoint was evicted"
[ "$(grep -c '	best	' falls/logs/resnet18/version_0/journal.log)" = $((evicted + 1)) ] || die "the numbers of best and evicted files do not agree"

# find-lr in a run's folder does not replace its report; a resumed run keeps its worst predictions and logged events
cp falls/viewlogs.md before.md
easy easy
run 0 "$LINNET" find-lr "${small[@]}" --data easy --lr_finder.steps 16 --lr_finder.min 1e-3 --out falls
cmp falls/viewlogs.md before.md || die "find-lr replaced the report of a run"
run 0 "$LINNET" report falls --json
says falls/viewlogs.md '5 of 5 epochs'
run 0 "$LINNET" train "${small[@]}" --max-epochs 6 --lr 0.001 --checkpoint.top_k 1 \
  --trainer.max_steps 26 --out falls --resume falls/checkpoints/resnet18/last.ckpt
grep -q '	lr	base LR 1 -> 0.001' falls/logs/resnet18/version_0/journal.log || die "the journal lacks the new base LR"
says falls/logs/resnet18/version_0/run.json '"worst"'
run 2 "$LINNET" find-lr "${small[@]}" --resume auto --out falls
says err 'find-lr does not support --resume'

# without reports, only logs are written
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --schedule.warmup_epochs 1 --monitor.report false \
  --monitor.device_seconds 0 --out quiet
[ ! -e quiet/viewlogs.md ] || die "a report was written although it is off"
[ ! -e quiet/logs/resnet18/version_0/device.csv ] || die "device.csv was written although it is off"
grep -q '	lr	warm-up from' quiet/logs/resnet18/version_0/journal.log || die "the journal lacks the warm-up"
grep -q '	lr	.*end of the warm-up' quiet/logs/resnet18/version_0/journal.log || die "the journal lacks its end"

# a disk that is full for report.html: a warning, the run continues, viewlogs.md is written, an earlier report.html stays
if [[ $("$LINNET" doctor) != *"no cmark-gfm"* ]]; then
  cp reference/report.html before.html
  faults=$(dirname "$LINNET")/tests/faults.so
  ASAN_OPTIONS="${ASAN_OPTIONS:-}:verify_asan_link_order=0" LD_PRELOAD=$faults LINNET_FAULT=full:report.html:1000 \
    run 0 "$LINNET" "${plateau[@]}" --max-epochs 5 --out reference --resume auto
  [ "$(grep -c 'the report could not be updated: .*report.html' err)" -ge 1 ] || { cat err >&2; die "no warning about report.html"; }
  cmp reference/report.html before.html || die "the earlier report.html is damaged"
  says reference/viewlogs.md '5 of 5 epochs'
  [ -z "$(find reference -name '*.tmp')" ] || die "a temporary file is left"
fi

# reports by time, also within the first epoch
"$LINNET" train "${small[@]}" --batch-size 4 --max-epochs 1 --monitor.report_seconds 0.01 --out early >out 2>err &
pid=$!
until [ -e early/viewlogs.md ] || ! kill -0 $pid 2>/dev/null; do sleep 0.01; done
cp early/viewlogs.md before.md
wait $pid || { cat err >&2; die "a run with reports by time failed"; }
says before.md "No finished epoch yet"
says early/viewlogs.md "1 of 1 epochs"

# a killed run is not reported as running
"$LINNET" train "${small[@]}" --max-epochs 50 --out killed >/dev/null 2>&1 &
pid=$!
until grep -q running killed/logs/resnet18/version_0/run.json 2>/dev/null; do sleep 0.01; done
run 0 "$LINNET" report killed
grep -q '"state": "running"' killed/logs/resnet18/version_0/run.json || die "the report changed the state of a run that is running"
kill -KILL $pid
wait $pid 2>/dev/null || true
run 0 "$LINNET" report killed
says killed/viewlogs.md '**lost**'
says killed/logs/resnet18/version_0/run.json '"state": "lost"'
