#!/usr/bin/env bash
# When a run validates (trainer.check_val_every_n_epoch, val_check_interval, overfit_batches), which checkpoints it keeps
# (checkpoint.monitor) and when it ends early (early_stopping). A stopped and resumed run gives the same results.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8

options=("${small[@]}" --arch resnet20 --monitor.report false) # 80 images: 5 batches per epoch
logs=logs/resnet20/version_0
csv=$logs/metrics.csv
last=checkpoints/resnet20/last.ckpt

# validations FOLDER: "epoch,step" of the rows with a val_loss
validations() {
  awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "val_loss") k = i; next } $k != "" { printf "%s,%s ", $1, $2 }' \
    "$1/$csv"
}
# validates FOLDER TEXT
validates() { [ "$(validations "$1")" = "$2" ] || die "$1 has validations at '$(validations "$1")', not '$2'"; }

# every second epoch; no best checkpoint and no val_loss in the others
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --trainer.check_val_every_n_epoch 2 --out every
validates every "1,9 "
says err "epoch 1/3: train loss"
grep -Eq 'epoch 1/3: .*; about .* left$' err || die "the epoch's line lacks the remaining time"
[ "$(grep -c 'no validation' err)" = 2 ] || die "epochs 1 and 3 were validated"
[ "$(grep -c '	best	' every/$logs/journal.log)" = 1 ] || die "not exactly one best checkpoint"

# within an epoch: after every second batch, and at the end of the epoch; the trained weights are the same
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --out plain
run 0 "$LINNET" train "${options[@]}" --batch-size 4 --max-epochs 1 --out estimate
says err "the rest of the run about"
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.val_check_interval 2 --out within
validates within "0,1 0,3 0,4 1,6 1,8 1,9 "
[ "$(digest within/$last)" = "$(digest plain/$last)" ] || die "validating within an epoch changes the training"
run 0 "$LINNET" train "${options[@]}" --max-epochs 1 --trainer.val_check_interval 0.6 --out fraction
validates fraction "0,2 0,4 "
run 0 "$LINNET" train "${options[@]}" --max-epochs 1 --batch-size 8 --trainer.accumulate 2 \
  --trainer.val_check_interval 3 --out accumulate # 10 batches: after 4, 6 and 10 of them
validates accumulate "0,1 0,2 0,4 "
run 2 "$LINNET" train "${options[@]}" --trainer.val_check_interval 6 --out refused
says err "trainer.val_check_interval 6 is more than the 5 training batches"

# stopped and resumed, at the step of a validation and between two
for steps in 2 7; do
  run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.val_check_interval 2 --out "stop$steps" --max-steps $steps
  run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.val_check_interval 2 --out "stop$steps" --resume auto
  same_metrics within/$csv "stop$steps/$csv"
  [ "$(digest "stop$steps/$last")" = "$(digest within/$last)" ] || die "resumed at step $steps: other weights"
  diff <(cd within/checkpoints/resnet20 && ls) <(cd "stop$steps/checkpoints/resnet20" && ls) >&2 ||
    die "resumed at step $steps: other checkpoints"
done
# killed: last.ckpt is of before the validation, which the resumed run repeats
"$LINNET" train "${options[@]}" --max-epochs 2 --trainer.val_check_interval 2 --checkpoint.monitor train_loss \
  --checkpoint.every_n_steps 2 --out killed >/dev/null 2>&1 &
pid=$!
until [ "$(cat killed/$csv 2>/dev/null | wc -l)" -ge 4 ]; do sleep 0.01; done
kill -KILL $pid
wait $pid 2>/dev/null || true
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.val_check_interval 2 --checkpoint.monitor train_loss \
  --checkpoint.every_n_steps 2 --out killed --resume auto
same_metrics within/$csv killed/$csv
[ "$(digest killed/$last)" = "$(digest within/$last)" ] || die "killed and resumed: other weights"

# the metric of the best checkpoints
says <(ls killed/checkpoints/resnet20) "epoch=0-train_loss="
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --checkpoint.monitor val_acc --checkpoint.top_k 1 --out acc --json
says out '"monitor": "val_acc"'
says out '"best_loss": null'
best=$(sed -E 's/.*"best_score": ([0-9.]+).*/\1/' out)
awk -F, -v best="$best" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "val_acc") k = i; next } $k > m { m = $k }
  END { exit !(m - best < 1e-6 && best - m < 1e-6) }' acc/$csv || die "best_score $best is not the highest val_acc"
says <(ls acc/checkpoints/resnet20) "-val_acc=$(printf %.2f "$best").ckpt"
says acc/$logs/run.json '"val_acc":'
run 0 "$LINNET" info acc/$last
says out "val_acc  "
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --checkpoint.monitor train_loss --trainer.limit_val_batches 0 --out train
says <(ls train/checkpoints/resnet20) "epoch=1-train_loss="
# the list of another metric is not continued
run 0 "$LINNET" train "${options[@]}" --max-epochs 4 --checkpoint.top_k 1 --out acc --resume auto
says err "lists the best checkpoints by val_acc (max), but checkpoint.monitor is now val_loss (min)"

# early stopping: nothing improves by 1000, so the third value in a row after the first ends the run
stop=("${options[@]}" --max-epochs 9 --early_stopping.monitor val_loss --early_stopping.min_delta 1000)
run 0 "$LINNET" train "${stop[@]}" --out early --json
says out '"epochs": 4'
says early/$logs/journal.log "	stop	early stopping: val_loss has not improved on"
says early/$logs/run.json '"state": "done"'
run 0 "$LINNET" train "${stop[@]}" --out early --resume auto
says err "early stopping has already ended this run: raise early_stopping.patience"
run 0 "$LINNET" train "${stop[@]}" --early_stopping.patience 4 --out early --resume auto --json
says out '"epochs": 5'
run 0 "$LINNET" train "${stop[@]}" --out early2 --max-steps 13
run 0 "$LINNET" train "${stop[@]}" --out early2 --resume auto --json
says out '"epochs": 4'
# within an epoch: the second validation of the first epoch is the first that does not improve
run 0 "$LINNET" train "${stop[@]}" --trainer.val_check_interval 2 --early_stopping.patience 1 --out early3 --json
says out '"steps": 4'
run 0 "$LINNET" train "${options[@]}" --max-epochs 9 --early_stopping.monitor train_loss --early_stopping.patience 1 \
  --early_stopping.min_delta 1000 --trainer.limit_val_batches 0 --out early4 --json
says out '"epochs": 2'

run 0 "$LINNET" train "${options[@]}" --dry-run --checkpoint.monitor val_acc --early_stopping.monitor val_acc \
  --trainer.val_check_interval 4 --trainer.check_val_every_n_epoch 3 --out dry --json

# overfitting: the same two batches in every epoch
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.overfit_batches 2 --out overfit
[ "$(awk -F, '$2 == 0 || $2 == 2 { print $3 }' overfit/$logs/samples.csv | sort -u | wc -l)" = 1 ] ||
  die "the first batches of two epochs have different images"
validates overfit "0,1 1,3 "
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.overfit_batches 2 --out over --max-steps 3
run 2 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.limit_train_batches 2 --out over --resume auto
says err "trainer.overfit_batches (1: on) = 1, but the value is now 0"
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --trainer.overfit_batches 2 --out over --resume auto
same_metrics overfit/$csv over/$csv
