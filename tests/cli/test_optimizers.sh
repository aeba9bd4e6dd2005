#!/usr/bin/env bash
# Runs with each optimizer: a resumed run has the bytes of an uninterrupted one, with EMA and the classifier's own rate;
# what a resume and the options refuse; the LR finder.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny 12
last=checkpoints/resnet20/last.ckpt
train() { run 0 "$LINNET" train "${small[@]}" --device cpu --max-epochs 2 --lr 0.01 --opt "$1" --out "$2" "${@:3}"; }
same() { [ "$(digest "$1/$last")" = "$(digest "$2/$last")" ] || die "$1 and $2 differ"; }
differ() { [ "$(digest "$1/$last")" != "$(digest "$2/$last")" ] || die "$1 and $2 are equal"; }

more=(--trainer.ema 0.9 --trainer.ema_steps 1 --optimizer.head_lr 0.05 --no-optimizer.decay_norm --wd 0.01)
for opt in adamw rmsprop lamb lars; do
  train $opt $opt "${more[@]}"
  train $opt $opt.cut "${more[@]}" --trainer.max_steps 4
  differ $opt $opt.cut
  train $opt $opt.cut "${more[@]}" --resume auto
  same $opt $opt.cut
  run 0 "$LINNET" info $opt/$last
  says out "optimizer   $opt, "
  says out "state of 59 parameters"
done
differ lars lamb

ref=(--device ref --image-size 16 --batch-size 4 --trainer.limit_train_batches 4 --trainer.limit_val_batches 1 --max-epochs 1)
train lamb ref "${ref[@]}"
train lamb ref.cut "${ref[@]}" --trainer.max_steps 2
train lamb ref.cut "${ref[@]}" --resume auto
same ref ref.cut

run 0 "$LINNET" info adamw/$last --json
says out '"optimizer": "adamw"'

head -n 1 adamw/logs/resnet20/version_0/metrics.csv >header
says header ",lr-AdamW,"
run 2 "$LINNET" train "${small[@]}" --device cpu --opt sgd --out adamw --resume auto
says err "was trained with optimizer.name adamw, but the run uses sgd: resume with --opt adamw, or pass the file to --init"
run 2 "$LINNET" train "${small[@]}" --opt adamw --optimizer.nesterov
says err "optimizer.nesterov has no effect with optimizer.name adamw, only with: sgd lars"
train sgd weights --init adamw/$last --max-epochs 1
says err "adamw/$last"

train lamb dry --dry-run
says err "dry run passed"

# the LR finder leaves no trace in the optimizer's state
rm -r data
easy data
finder=(--lr_finder.steps 20 --lr_finder.min 1e-4 --trainer.max_steps 8)
train adamw found "${finder[@]}" --lr auto
lr=$(sed -nE 's/.*"suggestion": ([0-9.e+-]+).*/\1/p' found/logs/resnet20/version_0/run.json)
[ -n "$lr" ] || die "the LR finder has no suggestion"
train adamw given "${finder[@]}" --lr "$lr"
same found given
