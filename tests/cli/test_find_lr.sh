#!/usr/bin/env bash
# The LR finder: the training after it equals one with the same explicit LR; its files; invalid arguments.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
easy data
options=("${small[@]}" --max-epochs 9 --trainer.max_steps 20 --lr_finder.steps 20 --lr_finder.min 1e-4)
weights() { digest "$1/checkpoints/resnet20/last.ckpt"; }
suggestion() { sed -nE 's/.*"suggestion": ([0-9.e+-]+).*/\1/p' "$1"; }

# --lr auto and the same explicit LR give the same weights after 20 steps, bit for bit
run 0 "$LINNET" train "${options[@]}" --lr auto --out auto
logs=auto/logs/resnet20/version_0
lr=$(suggestion $logs/run.json)
[ -n "$lr" ] || die "run.json has no suggestion"
run 0 "$LINNET" train "${options[@]}" --lr "$lr" --out hand
[ "$(weights auto)" = "$(weights hand)" ] || die "the LR finder changed the training"
run 0 "$LINNET" train "${options[@]}" --lr 0.0201 --out other
[ "$(weights auto)" != "$(weights other)" ] || die "the LR has no effect"

# the command find-lr suggests the same LR; its points are in a table, its picture is in --out
run 0 "$LINNET" find-lr "${options[@]}" --out alone --json
[ "$(suggestion out)" = "$lr" ] || die "find-lr suggests $(suggestion out), train $lr"
cmp alone/logs/resnet20/version_0/lr_finder.csv $logs/lr_finder.csv || die "the sweeps differ"
[ "$(head -n 1 $logs/lr_finder.csv)" = step,lr,loss,smoothed ] || die "lr_finder.csv has other columns"
[ "$(wc -l <$logs/lr_finder.csv)" -le 21 ] || die "more than 20 points"
grep -q "	lr_finder	suggested LR $(printf %.4g "$lr"), where the loss decreases fastest; smoothed loss" $logs/journal.log || die "the journal lacks the suggestion"
if "$LINNET" doctor --json | grep -q '"pictures".*"ready'; then
  [ "$(head -c 4 alone/lr_finder_plot.png | tail -c 3)" = PNG ] || die "no lr_finder_plot.png"
fi

# a resumed run continues with the LR that was found, without a second search
run 0 "$LINNET" train "${options[@]}" --trainer.max_steps 25 --lr auto --out auto --resume auto
[ "$(grep -c '	lr_finder	' $logs/journal.log)" = 1 ] || die "the LR was searched again"
run 0 "$LINNET" train "${options[@]}" --trainer.max_steps 25 --lr "$lr" --out hand --resume auto
[ "$(weights auto)" = "$(weights hand)" ] || die "the resumed runs differ"

# sweeps: the median of sweeps over different batches
run 0 "$LINNET" find-lr "${options[@]}" --sweeps 3 --out band --json
table=band/logs/resnet20/version_0/lr_finder.csv
[ "$(head -n 1 $table)" = step,lr,loss,smoothed,low,median,high ] || die "no band"
awk -F, 'NR > 1 && !($5 <= $6 && $6 <= $7) { bad = 1 } NR > 1 && $5 < $7 { wide = 1 } END { exit bad || !wide }' $table ||
  die "the sweeps do not differ"

# the other rule, from the same sweep
run 0 "$LINNET" find-lr "${options[@]}" --lr_finder.rule valley --out valley --json
cmp valley/logs/resnet20/version_0/lr_finder.csv $logs/lr_finder.csv || die "the rule changed the sweep"
[ "$(suggestion out)" != "$lr" ] || die "the rule has no effect"
says err "in the middle of the longest decrease of the loss"

# no suggestion: the message contains the reason and advice
run 1 "$LINNET" train "${options[@]}" --lr auto --lr_finder.steps 5 --out few
says err 'ended after only 5 steps'
says err '--lr'
run 1 "$LINNET" find-lr "${options[@]}" --lr_finder.steps 14 --lr_finder.min 1e3 --lr_finder.max 1e6 --lr_finder.early_stop 0 --out blown \
  --json --trainer.clip_norm 0
says out '"suggestion": null'
says err "lr_finder.max"
run 2 "$LINNET" find-lr "${options[@]}" --lr_finder.min 2
says err 'must be less than lr_finder.max'
