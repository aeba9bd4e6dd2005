#!/usr/bin/env bash
# AdamW and LAMB on two ranks: in a resume every rank gets the optimizer's state and count, and the weights stay equal.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
tiny 8
last=checkpoints/resnet20/last.ckpt
train() { # PROGRAM OPTIMIZER OUT OPTIONS...
  run 0 "$1" "${count[@]}" train --data data --arch resnet20 --image-size 16 --device cpu --precision 32-true \
    --workers 1 --max-epochs 2 --batch-size 8 --lr 0.01 --opt "$2" --out "$3" "${@:4}"
}
for opt in adamw lamb; do
  count=(2)
  train ranks $opt $opt
  train ranks $opt $opt.cut --trainer.max_steps 3
  train ranks $opt $opt.cut --resume auto
  [ "$(digest "$opt/$last")" = "$(digest "$opt.cut/$last")" ] || die "$opt: the resumed run differs"

  # one rank with the batches of two: the same gradients up to rounding, and so the same losses
  one=(--trainer.limit_train_batches 1 --lr 1e-4 --trainer.sync_batchnorm --data.shuffle false --json)
  train ranks $opt $opt.two "${one[@]}" --trainer.limit_train_batches 2
  cp out two.json
  count=()
  train "$LINNET" $opt $opt.one "${one[@]}" --batch-size 16
  for name in loss train_loss; do near "$(value out "$name")" "$(value two.json "$name")" 1e-4; done
done
