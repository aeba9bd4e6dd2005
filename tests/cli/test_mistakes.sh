#!/usr/bin/env bash
# Datasets that can be read but are probably a mistake: train, info and audit report them, and the advice works.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
one_epoch=("${small[@]}" --image-size 16 --max-epochs 1 --trainer.limit_train_batches 1 --trainer.limit_val_batches 1
  --checkpoint.top_k 0 --monitor.report false --monitor.device_seconds 0 --trainer.threads 1)
lacks() { ! grep -qF -- "$2" "$1" || { cat "$1" >&2; die "$1 contains '$2'"; }; }
found() { # KIND: how many in the audit's JSON
  sed -n "s/.*\"$1\": \([0-9]*\)[,}].*/\1/p" out | head -n 1
}
expect() { [ "$(found "$1")" = "$2" ] || { cat out; die "$1: $(found "$1"), expected $2"; }; }

# no warning for a correct dataset, whose splits have files of the same names
run 0 "$LINNET" info data
[ ! -s err ] || { cat err >&2; die "a false warning"; }

# one level too many
mkdir -p deep/train deep/val
cp -r data/train deep/train/images
cp -r data/val deep/val/images
run 0 "$LINNET" info deep
says err "deep/train has only one class, 'images'"
says err '10 folders with images (checkerboard, '
run 0 "$LINNET" audit deep --json
expect single_class 2
run 0 "$LINNET" train "${one_epoch[@]}" --data deep --out deep-run
says err "has only one class, 'images'"
says err 'one level up'
# no learning rate is suggested, because the loss cannot decrease
run 1 "$LINNET" find-lr "${small[@]}" --image-size 16 --data deep --lr_finder.steps 14 --out deep-lr --json
says err 'the loss did not decrease at any rate from'
says err 'linnet audit'
says out '"suggestion": null'
run 1 "$LINNET" train "${one_epoch[@]}" --data deep --lr auto --lr_finder.steps 14 --out deep-lr
says err 'the loss did not decrease at any rate from'
# the advice works
mv deep/train/images/* deep/train && rmdir deep/train/images
mv deep/val/images/* deep/val && rmdir deep/val/images
run 0 "$LINNET" info deep
[ ! -s err ] || { cat err >&2; die "the advice does not remove the warning"; }

# files that are not read because of their suffix
cp -r data suffix
for f in suffix/train/circle/*.jpg; do mv "$f" "${f%.jpg}.jfif"; done
for command in "info suffix" "audit suffix --json" "train ${one_epoch[*]} --data suffix --out suffix-run"; do
  # shellcheck disable=SC2086
  if [[ $command = audit* ]]; then
    run 0 "$LINNET" $command
    expect passed_over 1
    expect empty_class 1
    says out '4 files: 4 .jfif'
  else
    run 1 "$LINNET" $command
    says err 'class folder suffix/train/circle has no images'
    says err 'but other files (4 .jfif): rename or convert these files'
  fi
done
for f in suffix/train/ring/*.jpg; do mv "$f" "${f%.jpg}"; done
rm -r suffix/train/circle suffix/val/circle
cp data/train/ring/0000.jpg suffix/train/ring
for _ in first second; do # the cache does not suppress the warning
  run 0 "$LINNET" info suffix --json
  says err 'suffix/train: 4 files that may be images are not read because of their suffix (4 without a suffix)'
  says out '"passed_over": 4'
done
run 0 "$LINNET" train "${one_epoch[@]}" --data suffix --out suffix-run
says err '4 without a suffix'
for f in suffix/train/ring/????; do mv "$f" "$f.jpg"; done # the advice: rename
run 0 "$LINNET" info suffix
[ ! -s err ] || { cat err >&2; die "renaming does not remove the warning"; }

# val is a copy of train, as files or by a link, and a part of it
mkdir -p copy part
cp -r data/train copy/train
ln -s train copy/val
run 0 "$LINNET" info copy
says err 'val is a copy of train: 40 of 40 sampled validation images'
run 0 "$LINNET" train "${one_epoch[@]}" --data copy --out copy-run
says err 'val is a copy of train: '
run 0 "$LINNET" audit copy --json
expect in_both 1
says out '40 of 40 images: validation does not measure generalisation'
cp -r data/. part
for class in part/train/*; do
  cp "$class/0000.jpg" "part/val/$(basename "$class")/leak.jpg"
  cp "$class/0000.jpg" "$class/leak.jpg"
done
run 0 "$LINNET" info part
says err '10 of 50 sampled validation images are also training images'
run 0 "$LINNET" audit part --json
expect in_both 1

# val has no images of a class: no folder, or an empty one
for how in none empty; do
  cp -r data $how
  rm -r $how/val/cross
  [ $how = none ] || mkdir $how/val/cross
  run 0 "$LINNET" info $how
  says err "$how/val has no images of 1 of 10 classes, so their accuracy is not measured: cross"
  run 0 "$LINNET" train "${one_epoch[@]}" --data $how --out $how-run
  says err 'has no images of 1 of 10 classes'
  says $how-run/logs/resnet20/version_0/run.json 'no validation images of cross'
  run 0 "$LINNET" eval $how-run/checkpoints/resnet20/last.ckpt --data $how --json
  says out '"absent_classes": ["cross"]'
  says err 'has no images of 1 of 10 classes'
  run 0 "$LINNET" eval $how-run/checkpoints/resnet20/last.ckpt --data $how --worst 20
  says out 'classes without validation images: cross'
done
[ "$(digest none-run/checkpoints/resnet20/last.ckpt)" = "$(digest empty-run/checkpoints/resnet20/last.ckpt)" ] || die "an empty folder changes the weights"
# labels are mapped by name: the other classes have the same results as with all classes in val
run 0 "$LINNET" eval none-run/checkpoints/resnet20/last.ckpt --data data --tables all
run 0 "$LINNET" eval none-run/checkpoints/resnet20/last.ckpt --data none --tables less
diff <(grep -v '^cross,' all/classes.csv) <(grep -v '^cross,' less/classes.csv) || die "other labels"
# the same in shards
run 0 "$LINNET" pack none --out packed
run 0 "$LINNET" eval none-run/checkpoints/resnet20/last.ckpt --data packed --tables shards
diff less/classes.csv shards/classes.csv || die "other labels in shards"

# an empty class of train: removed from train and val, as the message advises
mkdir none/train/empty_class none/val/empty_class
run 1 "$LINNET" info none
says err 'class folder none/train/empty_class has no images'
says err 'remove the folder (in every split)'
rmdir none/train/empty_class none/val/empty_class
run 0 "$LINNET" info none
# a class only in val cannot be predicted; without its folder the dataset is valid
cp -r none/val/ring none/val/zebra
run 1 "$LINNET" train "${one_epoch[@]}" --data none --out never
says err 'none/val has 1 class that none/train does not have: zebra'
run 0 "$LINNET" audit none --json
expect only_in_val 1
rm -r none/val/zebra
run 0 "$LINNET" info none
