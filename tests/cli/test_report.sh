#!/usr/bin/env bash
# The report of a run: what a run leaves, from logs alone, of several runs; the plateau's cuts in the journal.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
plateau=(train "${small[@]}" --schedule.name plateau --schedule.patience 0 --schedule.threshold 0.9 --checkpoint.top_k 1)

run 0 "$LINNET" "${plateau[@]}" --max-epochs 4 --out whole
logs=whole/logs/resnet18/version_0
[ "$(grep -c '	lr	.*ReduceLROnPlateau' $logs/events.log)" -ge 2 ] || die "the journal lacks the plateau's cuts"
grep -q '	best	' $logs/events.log || die "the journal lacks the best checkpoints"
if [ "$(grep -c '	best	' $logs/events.log)" -gt 1 ]; then
  grep -q '	evicted	' $logs/events.log || die "the journal lacks the evicted checkpoints"
fi
[ "$(tail -n 1 $logs/events.log | cut -f 4)" = end ] || die "the journal has no end"
[ -s $logs/device.csv ] || die "no device.csv"

# a plateau resumed behind each epoch has seen what the whole run saw
run 0 "$LINNET" "${plateau[@]}" --max-epochs 1 --out parts
for epochs in 2 4; do run 0 "$LINNET" "${plateau[@]}" --max-epochs $epochs --out parts --resume auto; done
[ "$(digest parts/checkpoints/resnet18/last.ckpt)" = "$(digest whole/checkpoints/resnet18/last.ckpt)" ] ||
  die "the plateau forgot something"
same_metrics $logs/metrics.csv parts/logs/resnet18/version_0/metrics.csv

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
says both/viewlogs.md '2 runs side by side'
whole both/viewlogs.md
run 1 "$LINNET" report data
says err 'data holds no run'

# with reports off nothing is written beside the logs
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --monitor.report false --monitor.device_seconds 0 --out quiet
[ ! -e quiet/viewlogs.md ] || die "a report although it is off"
[ ! -e quiet/logs/resnet18/version_0/device.csv ] || die "device.csv although it is off"
