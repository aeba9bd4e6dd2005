#!/usr/bin/env bash
# 4 ranks hand a run over to 2, in double precision: the same images, steps and running statistics.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"

tiny 8
double=(train --data data --arch resnet18 --image-size 16 --device ref --workers 1 --lr 0.02 --trainer.log_every_n_steps 1
  --max-epochs 1)
elastic=("${double[@]}" --batch-size 2 --trainer.global_batch 8 --trainer.limit_train_batches 16
  --trainer.limit_val_batches 4)
run 0 ranks 4 "${elastic[@]}" --out four --json
cp out four.json
run 0 ranks 4 "${elastic[@]}" --out handed --max-steps 2 --json
run 0 ranks 2 "${elastic[@]}" --out handed --resume auto --json
near "$(value out loss)" "$(value four.json loss)" 1e-6
near "$(value out train_loss)" "$(value four.json train_loss)" 1e-6
paste <(column train_loss_step four/logs/resnet18/version_0/metrics.csv) \
  <(column train_loss_step handed/logs/resnet18/version_0/metrics.csv) >losses
[ "$(wc -l <losses)" = 4 ] || die "not 4 steps"
while read -r a b; do near "$b" "$a" 1e-6; done <losses
