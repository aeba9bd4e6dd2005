#!/usr/bin/env bash
# The checkpoint that a resume selects: that of the newest run in the folder with the most steps, independent of file
# times. Checkpoints that are older than the logs, damaged or of another model are reported, and no log entry is lost.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8
csv=logs/resnet20/version_0/metrics.csv
checkpoints=checkpoints/resnet20
options=("${small[@]}" --image-size 16 --schedule.name none --monitor.report false)
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --out run
best() { find "$1/$checkpoints" -name "epoch=$2-*.ckpt"; }
auto() { "$LINNET" train "${options[@]}" "$@" --resume auto; }
steps=15 # 5 per epoch

# a copied folder, with new file times
cp -r run copy
touch "$(best copy 0)"
cp copy/$csv before.csv
run 0 auto --max-epochs 3 --out copy
says err 'all 3 epochs are already done'
cmp -s copy/$csv before.csv || die "a resume of a finished run changed metrics.csv"
run 0 auto --max-epochs 4 --out copy
says err "/copy/$checkpoints/last.ckpt: epoch 4, batch 0, step $steps"

# two files of one step: the one that was saved later, which has the time that trainer.max_time counts
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --trainer.max_steps 5 --out limit
run 0 auto --max-epochs 1 --out limit
says err "/limit/$checkpoints/last.ckpt: "

# a second run in the folder with fewer steps than the first
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --trainer.max_steps 3 --out copy
touch copy/$checkpoints/last.ckpt
run 0 auto --max-epochs 1 --out copy
says err '/last-v1.ckpt: epoch 1, batch 3, step 3'
rm -r copy/logs # the runs are still distinguished
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --trainer.max_steps 2 --out copy
[ -d copy/logs/resnet20/version_2 ] || die "a version number is used twice: $(ls copy/logs/resnet20)"
run 0 auto --max-epochs 1 --out copy
says err '/last-v2.ckpt: epoch 1, batch 2, step 2'

# an older file: a warning is printed before the logs are trimmed, and the removed rows are kept
cp -r run older
first=$(best older 0)
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --out older --resume "$first"
says err "epoch=0-"
grep -q "warning: .*epoch=0-.* is at step 5, but the same run has a newer checkpoint at step 15: .*/last.ckpt" err || { cat err >&2; die "an older file: no warning"; }
says err 'metrics.csv.1'
{ head -n 1 run/$csv && awk -F, 'NR > 1 && $2 >= 5' run/$csv; } >moved.csv
cmp -s moved.csv older/$csv.1 || die "metrics.csv.1 does not contain the removed rows"
[ "$(awk -F, 'NR > 1' older/$csv | cut -d , -f 2 | sort -n | tail -n 1)" = 9 ] || die "metrics.csv after the older resume"
run 0 "$LINNET" train "${options[@]}" --max-epochs 2 --out older --resume "$(best older 0)"
[ -e older/$csv.2 ] || die "the rows that a second resume removed are not kept"

# a damaged last.ckpt: auto selects the next newest; an explicit file is an error with its name
cp -r run damaged
head -c 100000 run/$checkpoints/last.ckpt >damaged/$checkpoints/last.ckpt
run 1 "$LINNET" train "${options[@]}" --max-epochs 4 --out damaged --resume damaged/$checkpoints/last.ckpt
says err 'last.ckpt'
advice=$(sed -nE 's/.*continue with --resume ([^ ]*)$/\1/p' err)
[ "$advice" = "$PWD/$(best damaged 2)" ] || { cat err >&2; die "a damaged file: the advice is '$advice'"; }
cp -r damaged followed
run 0 "$LINNET" train "${options[@]}" --max-epochs 4 --out damaged --resume "$advice"
run 0 auto --max-epochs 4 --out followed
says err 'warning: checkpoint skipped: checkpoint'
says err "epoch=2-"
# changed bytes in a tensor: only reading the whole file detects them
cp -r run flipped
size=$(stat -c %s run/$checkpoints/last.ckpt)
printf '\377\377\377' | dd of=flipped/$checkpoints/last.ckpt bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
run 0 auto --max-epochs 4 --out flipped
says err 'CRC'
says err "epoch=2-"
# no readable checkpoint: no new run is started
for f in followed/$checkpoints/*.ckpt; do echo no >"$f"; done
run 1 auto --max-epochs 4 --out followed
says err 'none of the checkpoints'
[ ! -e followed/logs/resnet20/version_1 ] || die "damaged checkpoints started a new run"

# without --arch the run's model is used
plain=()
for o in "${options[@]}"; do [ "$o" = --arch ] || [ "$o" = resnet20 ] || plain+=("$o"); done
cp -r run model
run 0 "$LINNET" train "${plain[@]}" --max-epochs 4 --out model --resume auto
says err 'model.arch resnet20, as in'
says err "step $steps"
[ ! -e model/checkpoints/resnet50 ] || die "a resume without --arch used another model"
run 0 "$LINNET" train "${plain[@]}" --max-epochs 5 --out model --resume model/$checkpoints/last.ckpt
# checkpoints of two models, or of another than the requested one
mkdir model/checkpoints/resnet34
cp model/$checkpoints/last.ckpt model/checkpoints/resnet34
run 2 "$LINNET" train "${plain[@]}" --max-epochs 5 --out model --resume auto
says err 'set --arch to one of '
says err 'resnet34'
run 0 auto --max-epochs 5 --out model
run 0 "$LINNET" train "${plain[@]}" --arch resnet20 --out run2 --resume auto --max-epochs 1
says err 'training starts from the beginning'
run 0 "$LINNET" train "${plain[@]}" --model.arch resnet34 --out run2 --resume auto --max-epochs 1 --trainer.max_steps 1
says err 'there are checkpoints of resnet20'
