#!/usr/bin/env bash
# --batch-size auto: what is chosen and why; the training equals one with that number; a resume keeps it; with --lr auto
# it is chosen first; ranks agree; other commands refuse it.
# shellcheck source=tests/cli/lib.sh
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib.sh"
tiny 8 # 80 training images
options=(--data data --arch resnet20 --image-size 32 --workers 1 --trainer.threads 2 --precision 32-true
  --monitor.report false --max-epochs 2)
fixed=("${options[@]}" --lr 0.02)
last=checkpoints/resnet20/last.ckpt

# the dataset limits the batch: an epoch has a full step
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --out auto
says err 'data.batch_size auto: 64 needs'
says err 'without a full step of 1 batch'
says err '2 steps, batch 64,'
run 0 "$LINNET" train "${fixed[@]}" --batch-size 64 --out hand
[ "$(digest auto/$last)" = "$(digest hand/$last)" ] || die "the choice has changed the training"
says auto/logs/resnet20/version_0/hparams.yaml "batch_size: 64"
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --trainer.accumulate 3 --out step --trainer.max_steps 1
says err 'data.batch_size auto: 16 needs'
run 0 "$LINNET" train "${fixed[@]}" --data data/train --data.val_split 0.25 --batch-size auto --trainer.max_steps 1 \
  --out split
[ "$(grep -c 'data.val_split 0.25' err)" = 1 ] || { cat err >&2; die "notes about the data are repeated"; }

# trainer.global_batch: one of its divisors; a resume, by a search or by the file, keeps the size of the checkpoint
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --trainer.global_batch 24 --trainer.max_steps 2 --out whole
says err 'data.batch_size auto: 24, the largest divisor of trainer.global_batch 24 for one rank: it needs'
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --trainer.max_steps 3 --out whole --resume auto
says err 'data.batch_size auto: 24, as in the checkpoint of --resume'
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --trainer.max_steps 4 --out other --resume whole/$last
says err 'data.batch_size auto: 24, as in the checkpoint of --resume'
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --trainer.max_steps 1 --out new --resume auto
says err 'data.batch_size auto: 64 needs'

# before the LR finder, and with find-lr alone
easy light # 80 images
run 0 "$LINNET" train "${options[@]}" --data light --lr auto --lr_finder.steps 30 --lr_finder.min 1e-4 \
  --batch-size auto --trainer.max_steps 1 --out both
[ "$(grep -nE '^(data.batch_size auto|LR finder)' err | cut -d: -f 2 | cut -c 1-9 | uniq)" = \
  "$(printf 'data.batc\nLR finder')" ] || { cat err >&2; die "the LR finder was first"; }
run 1 "$LINNET" find-lr "${options[@]}" --lr_finder.steps 5 --batch-size auto --out alone
says err 'data.batch_size auto: 64 needs'
run 0 "$LINNET" train "${fixed[@]}" --batch-size auto --fast-dev-run --out dry
says err 'data.batch_size auto: 64 needs'

# wrong options and commands that evaluate or measure
run 2 "$LINNET" train "${fixed[@]}" --batch-size auto --data.scale_min 0.9 --data.scale_max 0.5 --out wrong
says err 'data.scale_min 0.9 is greater'
for command in "eval auto/$last data" "bench train" "bench data data" "predict auto/$last data/val"; do
  # shellcheck disable=SC2086
  run 2 "$LINNET" $command --batch-size auto
  says err 'data.batch_size auto is for train and find-lr only: give a number'
done

# a GPU whose memory is small: the stand-ins of the cuda engine, if they are there
gpu=${LINNET_BUILD:-}/tests/fake_cuda
if [ -e "$gpu/libcuda.so.1" ]; then
  LD_LIBRARY_PATH=$gpu FAKE_CUDA_MEMORY=$((20 << 20)) run 0 "$LINNET" train "${fixed[@]}" --device cuda \
    --batch-size auto --trainer.limit_val_batches 0 --trainer.max_steps 1 --out gpu
  says err 'data.batch_size auto: 8 is the largest power of two that fits: it needs'
  says err 'MiB of the 18 MiB that may be used, and 16 would need'
fi

# the ranks of one host agree
if command -v mpirun >/dev/null && [ -e "$(dirname "$LINNET")/liblinnet_mpi.so" ]; then
  # shellcheck source=tests/cli/ranks.sh
  . "$here/ranks.sh"
  run 0 ranks 2 train "${fixed[@]}" --batch-size auto --trainer.max_steps 1 --out ranks
  says err 'data.batch_size auto: 32 needs'
  says err 'without a full step of 2 batches'
  run 0 ranks 2 train "${fixed[@]}" --batch-size auto --trainer.max_steps 2 --out ranks --resume auto
  says err 'data.batch_size auto: 32, as in the checkpoint'
  # a rank that cannot open its part tells the others, which do not wait for it
  for rank in 0 1; do
    cat >each <<SCRIPT
#!/bin/sh
if [ "\$OMPI_COMM_WORLD_RANK" = $rank ]; then exec "\$@" missing.csv; fi
exec "\$@" balanced
SCRIPT
    chmod +x each
    got=0
    # one program for all ranks: mpirun of Open MPI 5.0.7 crashes if one of several programs fails
    ASAN_OPTIONS=$no_leaks timeout 40 mpirun --bind-to none --oversubscribe --mca plm ^slurm,tm,lsf,pals,rsh \
      --mca btl self,vader -n 2 ./each "$LINNET" train "${fixed[@]}" --batch-size auto --out ranks \
      --optimizer.class_weights >out 2>err || got=$?
    [ $got = 1 ] || { cat err >&2; die "exit code $got when rank $rank fails"; }
    says err 'optimizer.class_weights: the file missing.csv does not exist'
  done
fi
