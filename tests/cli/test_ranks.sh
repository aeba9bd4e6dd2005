#!/usr/bin/env bash
# Several ranks under mpirun: validation counts every image once, rank 0 alone tells and writes, errors are all ranks'.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"

tiny 8
find data/val -type f | sort | head -n 3 | xargs rm # 37 images: no multiple of 2, 3 or 32
fast=(train --data data --arch resnet18 --image-size 16 --device cpu --precision 32-true --workers 1 --max-epochs 1
  --monitor.report false)

# 3 ranks with joined batch norm have the statistics of 1 rank with three times the batch (and weights that stay)
still=("${fast[@]}" --lr 1e-30 --json)
run 0 "$LINNET" "${still[@]}" --out one --batch-size 6 --trainer.limit_train_batches 1 --data.val_batch_size 32
cp out one.json
run 0 ranks 3 "${still[@]}" --out three --batch-size 2 --trainer.limit_train_batches 3 --data.val_batch_size 5 \
  --trainer.sync_batchnorm true
for name in loss top1 top5 train_loss; do near "$(value out "$name")" "$(value one.json "$name")" 1e-6; done
says err '37 validation images'
[ "$(grep -c '^engine ' err)" = 1 ] || die "more than one rank told of itself"
[ "$(wc -l <out)" = 1 ] || die "more than one rank printed its result"

# 2 ranks, unevenly: the last step of 3 batches leaves rank 1 with none. It meets an unreadable image: rank 0 lists it
bad=$(find data/train -type f | sort | sed -n 6p)
echo no image >"$bad"
run 0 ranks 2 "${fast[@]}" --lr 0.01 --out two --batch-size 4 --trainer.limit_train_batches 3 --json \
  --data.shuffle false --data.max_bad 0.1
says two/logs/resnet18/version_0/bad_images.txt "$bad"
[ "$(value out images)" = 12 ] || die "$(value out images) images, not 12"
run 0 "$LINNET" info two/checkpoints/resnet18/last.ckpt

# a step that does not come out even, data that are not there: said once
run 2 "$LINNET" "${fast[@]}" --lr 0.01 --out wrong --batch-size 2 --trainer.global_batch 7
says err 'no multiple of data.batch_size 2'
run 1 ranks 2 "${fast[@]}" --data nowhere --lr 0.01
says err nowhere
