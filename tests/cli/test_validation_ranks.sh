#!/usr/bin/env bash
# Several ranks: trainer.val_check_interval counts the batches of one rank, and early stopping ends all ranks at the same
# step, also after a resume with another number of ranks.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
tiny 8

options=(train "${small[@]}" --monitor.report false --batch-size 8 --trainer.val_check_interval 2 --max-epochs 9
  --early_stopping.monitor val_loss --early_stopping.min_delta 1000 --early_stopping.patience 3 --json)
rows=logs/resnet20/version_0/metrics.csv
run 0 ranks 2 "${options[@]}" --out two # 80 images: 5 steps of 2 batches, validations after steps 2, 4 and 5
says out '"steps": 7'
[ "$(column val_loss two/$rows | wc -l)" = 4 ] || die "not 4 validations"
run 0 ranks 2 "${options[@]}" --trainer.global_batch 16 --max-steps 3 --out other
run 0 "$LINNET" "${options[@]}" --trainer.global_batch 16 --trainer.val_check_interval 4 --out other --resume auto
says out '"steps": 7' # one rank has twice the batches in a step
