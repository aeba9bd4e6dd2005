#!/usr/bin/env bash
# Runs that share, move or leave folders; limits that allow no batch; dry runs: files of other runs are not changed,
# and all messages are correct.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
train=(train "${small[@]}" --checkpoint.top_k 1)
ckpts=checkpoints/resnet20

# a resume into another folder never deletes the first run's files
run 0 "$LINNET" "${train[@]}" --max-epochs 2 --out a
find a/$ckpts -name '*.ckpt' | sort >before
run 0 "$LINNET" "${train[@]}" --max-epochs 5 --out b --resume a/$ckpts/last.ckpt --json
says out '"epochs": 5'
find a/$ckpts -name '*.ckpt' | sort | diff before - || die "a resume into another folder deleted files"
[ "$(find b/$ckpts -name 'epoch=*' | wc -l)" = 1 ] || die "b keeps its own best"

# a moved run folder is continued in the same version, with its best files
mv a moved
run 0 "$LINNET" "${train[@]}" --max-epochs 3 --out moved --resume auto
[ ! -e moved/logs/resnet20/version_1 ] && [ ! -e moved/$ckpts/last-v1.ckpt ] || die "the moved run started from the beginning"
if grep -q 'no longer exists' err; then die "the best files of a moved run were lost"; fi
[ "$(find moved/$ckpts -name 'epoch=*' | wc -l)" = 1 ] || die "the previous best file was not replaced"

# without last.ckpt, auto selects the newest best file
run 0 "$LINNET" "${train[@]}" --max-epochs 1 --out only --checkpoint.save_last false
run 0 "$LINNET" "${train[@]}" --max-epochs 2 --out only --checkpoint.save_last false --resume auto --json
says err 'resumed from'
says out '"steps": 6'

# a completed run is reported as done
run 0 "$LINNET" "${train[@]}" --max-epochs 3 --out moved --resume auto
says err 'already done'

# a file with only weights cannot be resumed
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
run 0 "$LINNET" eval moved/$ckpts/last.ckpt --data fewer --json
says err 'has no images of 1 of 10 classes'
says out '"absent_classes": ["checkerboard"]'
mv fewer/train/"$(ls fewer/train | tail -n 1)" fewer/train/zz
mv fewer/val/"$(ls fewer/val | tail -n 1)" fewer/val/zz
run 1 "$LINNET" eval fewer-run/$ckpts/last.ckpt --data fewer
says err 'does not have: zz'

# limits
run 2 "$LINNET" "${train[@]}" --out limits --trainer.limit_val_batches 0.1
says err 'selects none of the '
run 2 "$LINNET" "${train[@]}" --out limits --trainer.limit_val_batches 0 --schedule.name plateau
says err 'needs validation'
run 0 "$LINNET" "${train[@]}" --out limits --max-epochs 1 --trainer.limit_val_batches 0
says err 'no validation'
if sed "s|$work||" err limits/logs/resnet20/version_0/metrics.csv | grep -qiw nan; then # a random path may contain it
  die "an omitted validation is shown as nan"
fi
run 0 "$LINNET" "${train[@]}" --out limits --max-epochs 1 --trainer.limit_train_batches 2 --json
says out '"steps": 2'
run 0 "$LINNET" "${train[@]}" --out timed --max-epochs 1000 --trainer.max_time 2 --json
says err 'max_time'
# a resume goes on with the time that is used, as Lightning's Timer does
steps=$(sed -nE 's/.*"steps": ([0-9]+).*/\1/p' out)
run 0 "$LINNET" "${train[@]}" --out timed --max-epochs 1000 --trainer.max_time 2 --resume auto --json
says err 'it includes the time before the resume'
says out "\"steps\": $steps"
run 0 "$LINNET" "${train[@]}" --out timed --max-epochs 1000 --trainer.max_time 1:00:00 --max-steps $((steps + 1)) --resume auto --json
says out "\"steps\": $((steps + 1))"
/usr/bin/python3 -c 'import torch' 2>/dev/null && {
  /usr/bin/python3 -c 'import torch
timer = torch.load("timed/checkpoints/resnet20/last.ckpt")["callbacks"]["Timer"]["time_elapsed"]
assert 2 <= timer["train"] < 3600 and timer["validate"] == 0, timer' || die "not the state of Lightning's Timer"
}

# a plateau's LR follows a new base LR on resume
run 0 "$LINNET" "${train[@]}" --schedule.name plateau --lr 0.1 --max-epochs 1 --out plateau
run 0 "$LINNET" "${train[@]}" --schedule.name plateau --lr 0.001 --max-epochs 2 --out plateau --resume auto
says err 'LR 0.001'

# dry runs
run 0 "$LINNET" "${train[@]}" --out dry --trainer.dry_run --checkpoint.save_last false --trainer.max_steps 1
says err 'dry run passed'
[ ! -e dry ] || die "the dry run left its folder"
run 0 "$LINNET" "${train[@]}" --out moved --trainer.dry_run --resume auto
[ -z "$(find moved -name '.dry_run*')" ] || die "the dry run left a file"

# a bad image that was removed is removed from the list on resume
cp -r data damaged
for i in 1 2 3; do cp -r data/train/circle/0001.jpg "damaged/train/circle/9$i.jpg"; done
printf 'x' >damaged/train/circle/91.jpg
run 0 "$LINNET" "${train[@]}" --data damaged --max-epochs 1 --out mend --data.max_bad 0.2
grep -q 'circle/91.jpg' mend/logs/resnet20/version_0/bad_images.txt || die "the bad image is not listed"
rm damaged/train/circle/91.jpg
run 1 "$LINNET" "${train[@]}" --data damaged --max-epochs 2 --out mend --data.max_bad 0.2 --resume auto
says err '--data.changed'
run 0 "$LINNET" "${train[@]}" --data damaged --max-epochs 2 --out mend --data.max_bad 0.2 --resume auto --data.changed true
