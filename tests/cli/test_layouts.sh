#!/usr/bin/env bash
# The layouts of a dataset: a nested folder without val, what a zip of macOS contains, and CSV lists train to the same
# bytes as the tidy folder with the same split, and after SIGKILL. cli/ranks_layouts has two ranks.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 6
fast=(--arch resnet20 --image-size 32 --batch-size 8 --workers 1 --trainer.threads 1 --precision 32-true --device cpu
  --lr 0.02 --max-epochs 1 --monitor.report false)
last=checkpoints/resnet20/last.ckpt
split=(--data.val_split 0.25 --seed 3)

# same OUT: the weights of the tidy folder
same() { [ "$(digest "$1/$last")" = "$(digest "$2/$last")" ] || die "$1 has other weights than $2"; }

# as from Kaggle: no val, two levels down; beside it what macOS and Jupyter leave
mkdir -p kaggle/archive/set kaggle/__MACOSX/archive/set/train
cp -r data/train kaggle/archive/set/train
printf x >kaggle/__MACOSX/archive/set/train/._circle
run 1 "$LINNET" train kaggle "${fast[@]}" --out none
says err 'has no validation images: add a folder val (or validation, valid, test) with CLASS/*.jpg in it, or pass --data.val_split 0.1'
run 0 "$LINNET" train kaggle "${fast[@]}" "${split[@]}" --out nested
says err 'are for validation (data.val_split 0.25, seed 3)'
says err 'dataset: training images from kaggle/archive/set/train'

# the tidy folder with this split: preview lists the validation images
run 0 "$LINNET" preview kaggle --split val "${split[@]}" --images 1000 --batch-size 8 --out sheet.jpg
awk '/^ *[0-9]+ / { print $NF }' out | sort >val.txt
[ "$(wc -l <val.txt)" = 20 ] || { cat out >&2; die "not a quarter, rounded, of 6 images in each of 10 classes"; }
mkdir tidy
cp -r data/train tidy/train
while read -r name; do
  mkdir -p "tidy/val/${name%/*}"
  mv "tidy/train/$name" "tidy/val/$name"
done <val.txt
run 0 "$LINNET" train tidy "${fast[@]}" --seed 3 --out tidy-run
same nested tidy-run

# a zip of macOS, with validation images in a folder that is called valid
mkdir mac
cp -r tidy/train mac/train
cp -r tidy/val mac/valid
mkdir -p mac/__MACOSX/train/circle mac/train/circle/.ipynb_checkpoints
printf x >mac/train/.DS_Store
for folder in mac/__MACOSX/train/circle mac/train/circle mac/valid/circle; do printf x >$folder/._0000.jpg; done
cp data/train/circle/0001.jpg mac/train/circle/.ipynb_checkpoints/0001-checkpoint.jpg
cp -r mac/__MACOSX mac/train
run 0 "$LINNET" train mac "${fast[@]}" --seed 3 --out mac-run
says err 'mac/train: ignored because they are neither classes nor images: 1 __MACOSX, 1 .ipynb_checkpoints, 1 ._*, 1 .DS_Store'
says err 'dataset: training images from mac/train, validation images from mac/valid'
same mac-run tidy-run

# lists: of the split folder with a column split, in any order; of the nested folder, divided by val_split
list() { # FOLDER SPLIT
  (cd tidy && find "$1" -name '*.jpg' | sort -r | awk -F/ -v part="$2" '{ print "tidy/" $0 "," $2 "," part }')
}
{ printf 'path,label,split\r\n'; list val valid; list train TRAIN; } >list.csv
tr , '\t' <list.csv >list.tsv
run 0 "$LINNET" train --data.list list.csv "${fast[@]}" --seed 3 --out listed
same listed tidy-run
mkdir elsewhere
mv list.tsv elsewhere
run 0 "$LINNET" train . --data.list elsewhere/list.tsv "${fast[@]}" --seed 3 --out listed-tsv
same listed-tsv tidy-run
(cd kaggle && find archive -name '*.jpg' | awk -F/ '{ print $0 "," $4 }' | sort -r >list.csv)
run 0 "$LINNET" train --data.list kaggle/list.csv "${fast[@]}" "${split[@]}" --out listed-split
same listed-split tidy-run
sed 's/\.jpg,/;/; 1i photo;shape' kaggle/list.csv >kaggle/ids.csv # other names, semicolons, no suffixes
run 0 "$LINNET" train --data.list kaggle/ids.csv "${fast[@]}" "${split[@]}" --out listed-ids
same listed-ids tidy-run
run 1 "$LINNET" train kaggle/list.csv "${fast[@]}" --out none
says err 'kaggle/list.csv is not a folder: to read a list of images, pass it with --data.list'
run 0 "$LINNET" train --data.list kaggle/list.csv "${fast[@]}" --seed 3 --out listed-all
says err 'so the run does not validate'
run 2 "$LINNET" train --data.list kaggle/list.csv "${fast[@]}" "${split[@]}" --max-epochs 2 --out listed --resume auto
says err 'data.val_split'

# SIGKILL, then a resume, with val_split and with a list
killed() { # OUT OPTION...
  local out=$1
  shift
  "$LINNET" train "$@" --checkpoint.every_n_steps 1 --trainer.log_every_n_steps 1 --out "$out" >/dev/null 2>&1 &
  pid=$!
  until [ "$(cat "$out/logs/resnet20/version_0/metrics.csv" 2>/dev/null | wc -l)" -ge 3 ]; do
    kill -0 $pid 2>/dev/null || break
    sleep 0.01
  done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  run 0 "$LINNET" train "$@" --out "$out" --resume auto
  same "$out" tidy-run
}
killed nested-killed kaggle "${fast[@]}" "${split[@]}"
killed listed-killed --data.list list.csv "${fast[@]}" --seed 3

# what must not change on a resume
run 2 "$LINNET" train kaggle "${fast[@]}" --data.val_split 0.5 --seed 3 --max-epochs 2 --out nested --resume auto
says err 'was trained with data.val_split = 0.25, but the value is now 0.5'
run 2 "$LINNET" train kaggle "${fast[@]}" --data.val_split 0.25 --seed 4 --max-epochs 2 --out nested --resume auto
says err 'the seed is now 4, which would move images between training and validation'
sed '2s/valid$/test/; 2s/valid\r/test\r/' list.csv >changed.csv
run 1 "$LINNET" train --data.list changed.csv "${fast[@]}" --seed 3 --max-epochs 2 --out listed --resume auto
says err '--data.changed'

# other commands
run 0 "$LINNET" eval nested/$last kaggle --json
says out '"images": 20'
loss() { sed -nE 's/.*"loss": ([0-9.]+),.*/\1/p' out; }
expected=$(loss)
run 0 "$LINNET" eval nested/$last tidy --json
[ -n "$expected" ] && [ "$(loss)" = "$expected" ] || die "eval of val_split differs from that of the tidy folder"
run 0 "$LINNET" eval nested/$last --data.list list.csv --json
[ "$(loss)" = "$expected" ] || die "eval of a list differs from that of the tidy folder"
run 0 "$LINNET" info kaggle "${split[@]}"
says out 'val    20 images, 10 classes, 2 to 2 images per class'
run 0 "$LINNET" info --data.list list.csv
says out 'train  40 images, 10 classes'
run 0 "$LINNET" audit kaggle --quick
run 0 "$LINNET" audit --data.list list.csv --quick
run 0 "$LINNET" predict nested/$last mac/train/circle --top 1 --csv
[ "$(grep -c jpg out)" = "$(find tidy/train/circle -name '*.jpg' | wc -l)" ] || { cat out >&2; die "predict reads what is no image"; }
says err 'mac/train/circle: ignored'
run 0 "$LINNET" pack kaggle "${split[@]}" --out shards
run 0 "$LINNET" train shards "${fast[@]}" --seed 3 --out packed
same packed tidy-run

# shards without validation images
mkdir trainonly
cp shards/train-* trainonly
mv shards/val-000000.tar trainonly/train-000001.tar
run 0 "$LINNET" train trainonly "${fast[@]}" "${split[@]}" --out shards-split
same shards-split tidy-run

# several datasets; a class list
mkdir -p two/a two/b
cp -r tidy/train two/a/train
cp -r tidy/train two/b/train
run 1 "$LINNET" train two "${fast[@]}" --out none
says err 'two contains 2 datasets: two/a, two/b. Pass the folder of one of them (--data)'
{ echo unknown; ls tidy/train; } >classes.txt
run 0 "$LINNET" train tidy "${fast[@]}" --data.class_list classes.txt --max-steps 1 --out classed
says err 'no images of 1 of the 11 classes of the class list, so the model does not learn them: unknown'
says err 'has no images of 1 of 11 classes, so their accuracy is not measured: unknown'
run 0 "$LINNET" eval classed/$last tidy --json
says out '"absent_classes": ["unknown"]'
ls -r tidy/train >reverse.txt
run 0 "$LINNET" train tidy "${fast[@]}" --data.class_list reverse.txt --out reversed
run 0 "$LINNET" eval reversed/$last tidy --json
run 1 "$LINNET" train tidy "${fast[@]}" --max-epochs 2 --out reversed --resume auto
says err 'was trained on different classes'
ls tidy/train | tail -n 9 >fewer.txt
run 1 "$LINNET" train tidy "${fast[@]}" --data.class_list fewer.txt --out none
says err 'that fewer.txt does not have'
