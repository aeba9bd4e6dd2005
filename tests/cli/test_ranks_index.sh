#!/usr/bin/env bash
# Several ranks: only rank 0 reads the shards for an index, the others read the index. A rank whose first read of a
# shard fails would fail if it built the index itself; in training it retries.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
faults=$(dirname "$LINNET")/tests/faults.so
[ -e "$faults" ] || { echo "skipped: there is no $faults"; exit 77; }
tiny 8
run 0 "$LINNET" pack data --out shards
no_leaks=$no_leaks:verify_asan_link_order=0
cat >rank <<EOF
#!/bin/sh
[ "\$OMPI_COMM_WORLD_RANK" = 0 ] || export LD_PRELOAD='$faults' LINNET_FAULT=eio:-000000.tar:1
exec '$LINNET' "\$@"
EOF
chmod +x rank
linnet=$LINNET
for command in train eval; do
  rm shards/train.index shards/val.index
  options=(--data shards --device cpu --workers 1)
  [ $command = eval ] && options=(one/checkpoints/resnet20/last.ckpt "${options[@]}") || options+=(--arch resnet20
    --image-size 16 --precision 32-true --max-epochs 1 --monitor.report false --batch-size 4 --trainer.threads 1 --out one)
  LINNET=./rank
  run 0 ranks 2 $command "${options[@]}"
  LINNET=$linnet
  [ -e shards/val.index ] || die "$command did not write the index"
done

# an error of the data is reported once, and no rank waits forever
rm -r shards/val.index shards/val-*.tar
run 1 ranks 2 train --data shards --device cpu --out none
says err 'shards has no validation images'
