#!/usr/bin/env bash
# Loss scaling in a run: the ref engine in 16-mixed overflows where fp16 would.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
"$LINNET" shapes data --train 2 --val 1 --size 40 --seed 1 >/dev/null
scaled=(train --data data --arch resnet20 --image-size 16 --batch-size 5 --workers 1 --device ref --precision 16-mixed
  --lr 0.02 --trainer.log_every_n_steps 1 --max-epochs 2)

run 0 "$LINNET" "${scaled[@]}" --out reference
logs=reference/logs/resnet20/version_0
# column NAME: its values in the rows of steps
column() { awk -F, -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR > 1 && $3 != "" { print $c }' $logs/metrics.csv; }
[ "$(column scale | head -n 1)" = 65536 ] || die "the initial scale is $(column scale | head -n 1)"
skipped=$(column skipped_steps | tail -n 1)
[ "$skipped" -ge 1 ] || die "no gradient overflowed: nothing was tested"
[ "$(grep -c '	skipped	' $logs/journal.log)" = "$skipped" ] || die "the journal does not have the skipped steps"
awk -v s="$(column scale | tail -n 1)" -v n="$skipped" 'BEGIN { x = 65536; while (n-- > 0) x /= 2; exit !(s == x || s == 2 * x) }' ||
  die "scale $(column scale | tail -n 1) after $skipped skipped steps"

# stopped and resumed while the scale changes: the same weights, the same scale
run 0 "$LINNET" "${scaled[@]}" --out parts --trainer.max_steps 1
run 0 "$LINNET" "${scaled[@]}" --out parts --resume auto
[ "$(digest parts/checkpoints/resnet20/last.ckpt)" = "$(digest reference/checkpoints/resnet20/last.ckpt)" ] ||
  die "the resumed run has other weights"
same_metrics $logs/metrics.csv parts/logs/resnet20/version_0/metrics.csv
