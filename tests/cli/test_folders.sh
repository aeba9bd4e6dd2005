#!/usr/bin/env bash
# Runs that share, move or leave folders; limits that leave nothing; dry runs: nothing of another run is touched, nothing
# is claimed that did not happen.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
train=(train "${small[@]}" --checkpoint.top_k 1)
ckpts=checkpoints/resnet18

# a resume into another folder never deletes the first run's files
run 0 "$LINNET" "${train[@]}" --max-epochs 2 --out a
find a/$ckpts -name '*.ckpt' | sort >before
run 0 "$LINNET" "${train[@]}" --max-epochs 5 --out b --resume a/$ckpts/last.ckpt --json
says out '"epochs": 5'
find a/$ckpts -name '*.ckpt' | sort | diff before - || die "a resume elsewhere deleted files"
[ "$(find b/$ckpts -name 'epoch=*' | wc -l)" = 1 ] || die "b keeps its own best"

# a run folder that was moved goes on in the same version, with its best files
mv a moved
run 0 "$LINNET" "${train[@]}" --max-epochs 3 --out moved --resume auto
[ ! -e moved/logs/resnet18/version_1 ] && [ ! -e moved/$ckpts/last-v1.ckpt ] || die "a moved run began anew"
if grep -q 'does not exist any more' err; then die "the best files of a moved run were lost"; fi
[ "$(find moved/$ckpts -name 'epoch=*' | wc -l)" = 1 ] || die "the best of before was not replaced"

# without last.ckpt, auto finds the newest of the best
run 0 "$LINNET" "${train[@]}" --max-epochs 1 --out only --checkpoint.save_last false
run 0 "$LINNET" "${train[@]}" --max-epochs 2 --out only --checkpoint.save_last false --resume auto --json
says err 'resumed from'
says out '"steps": 6'

# nothing left to do is said
run 0 "$LINNET" "${train[@]}" --max-epochs 3 --out moved --resume auto
says err 'already done'

# weights alone are no run
/usr/bin/python3 -c 'import torch' 2>/dev/null && {
  /usr/bin/python3 - moved/$ckpts/last.ckpt weights.pth <<'PY'
import sys, torch
torch.save(torch.load(sys.argv[1])["state_dict"], sys.argv[2])
PY
  run 1 "$LINNET" "${train[@]}" --out weights --resume weights.pth
  says err '--init'
  run 0 "$LINNET" "${train[@]}" --max-epochs 1 --out weights --init weights.pth
}

# another number of classes: the head is reinitialised
cp -r data fewer
rm -r fewer/*/"$(ls fewer/train | head -n 1)"
run 0 "$LINNET" "${train[@]}" --data fewer --max-epochs 1 --out fewer-run --init moved/$ckpts/last.ckpt
says err 'is reinitialised'
run 1 "$LINNET" eval moved/$ckpts/last.ckpt --data fewer
says err '10'
mv fewer/train/"$(ls fewer/train | tail -n 1)" fewer/train/zz
mv fewer/val/"$(ls fewer/val | tail -n 1)" fewer/val/zz
run 1 "$LINNET" eval fewer-run/$ckpts/last.ckpt --data fewer
says err "'zz'"

# limits
run 2 "$LINNET" "${train[@]}" --out limits --trainer.limit_val_batches 0.1
says err 'selects none of the '
run 2 "$LINNET" "${train[@]}" --out limits --trainer.limit_val_batches 0 --schedule.name plateau
says err 'needs validation'
run 0 "$LINNET" "${train[@]}" --out limits --max-epochs 1 --trainer.limit_val_batches 0
says err 'no validation'
if grep -qi nan err limits/logs/resnet18/version_0/metrics.csv; then die "a validation that was not made shows as nan"; fi
run 0 "$LINNET" "${train[@]}" --out limits --max-epochs 1 --trainer.limit_train_batches 2 --json
says out '"steps": 2'
run 0 "$LINNET" "${train[@]}" --out timed --max-epochs 1000 --trainer.max_time 2 --json
says err 'max_time'

# a plateau's LR follows a new base LR on resume
run 0 "$LINNET" "${train[@]}" --schedule.name plateau --lr 0.1 --max-epochs 1 --out plateau
run 0 "$LINNET" "${train[@]}" --schedule.name plateau --lr 0.001 --max-epochs 2 --out plateau --resume auto
says err 'LR 0.001'

# dry runs
run 0 "$LINNET" "${train[@]}" --out dry --trainer.dry_run --checkpoint.save_last false --trainer.max_steps 1
says err 'dry run passed'
[ ! -e dry ] || die "the dry run left its folder"
run 0 "$LINNET" "${train[@]}" --out moved --trainer.dry_run --resume auto
[ -z "$(find moved -name '.dry_run*')" ] || die "the dry run left something"

# a bad image that was removed is forgotten on resume
cp -r data spoilt
for i in 1 2 3; do cp -r data/train/circle/0001.jpg "spoilt/train/circle/9$i.jpg"; done
printf 'x' >spoilt/train/circle/91.jpg
run 0 "$LINNET" "${train[@]}" --data spoilt --max-epochs 1 --out mend --data.max_bad 0.2
grep -q 'circle/91.jpg' mend/logs/resnet18/version_0/bad_images.txt || die "the bad image is not named"
rm spoilt/train/circle/91.jpg
run 1 "$LINNET" "${train[@]}" --data spoilt --max-epochs 2 --out mend --data.max_bad 0.2 --resume auto
says err '--data.changed'
run 0 "$LINNET" "${train[@]}" --data spoilt --max-epochs 2 --out mend --data.max_bad 0.2 --resume auto --data.changed true
