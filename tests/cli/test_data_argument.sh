#!/usr/bin/env bash
# A dataset is given as an argument or as --data DIR in every command that takes one; both are accepted only if they are
# the same.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
mkdir other
cp -r data/train data/val other
few=(--arch resnet20 --image-size 16 --batch-size 8 --workers 1 --trainer.threads 2 --device cpu --precision 32-true)
once=("${few[@]}" --max-epochs 1 --lr 0.01 --trainer.limit_train_batches 1 --trainer.limit_val_batches 1 --monitor.report false)
run 0 "$LINNET" train data "${once[@]}" --out run
last=run/checkpoints/resnet20/last.ckpt

# both BEFORE AFTER: runs the command with DATA between them, then with --data, then with both
both() {
  local before=$1 after=$2
  try() { rm -rf shards && run "$@"; } # pack writes only to a new folder
  # shellcheck disable=SC2086
  {
    try 0 "$LINNET" $before data $after
    try 0 "$LINNET" $before --data data $after
    try 0 "$LINNET" $before $after --data=data
    try 0 "$LINNET" $before data $after --data ./data/
    try 2 "$LINNET" $before data $after --data other
    says err "the dataset is given twice, as 'data' and as --data 'other'"
    try 2 "$LINNET" $before --data other data $after
    says err "the dataset is given twice"
    try 2 "$LINNET" $before $after
    try 2 "$LINNET" $before data more $after
    says err "unexpected argument 'more'"
  }
}
both train "${once[*]} --out run2"
both find-lr "${few[*]} --lr_finder.steps 13 --out found"
both "eval $last" '--device cpu --workers 1'
both preview '--out sheet.jpg --images 4'
both 'bench data' '--workers 1 --images 8 --image-size 16'
both info ''
both audit '--quick'
both pack '--out shards'

# the long name of the option, and a dataset from a YAML file, which an argument overrides
run 2 "$LINNET" train data --data.path other "${once[@]}"
says err 'the dataset is given twice'
printf 'data:\n  path: nowhere\n' >recipe.yaml
run 0 "$LINNET" preview data --config recipe.yaml --out sheet.jpg --images 4
run 1 "$LINNET" preview --config recipe.yaml --out sheet.jpg --images 4
says err nowhere

# a path with a space, not quoted
mkdir 'My Photos'
cp -r data/train data/val 'My Photos'
# shellcheck disable=SC2086
run 2 "$LINNET" train --data My Photos "${once[@]}"
says err "'Photos'"
says err 'quote paths that contain spaces'
run 0 "$LINNET" info 'My Photos'
