#!/usr/bin/env bash
# Invalid input gives one clear line and the right exit code, and no data are lost.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
small+=(--arch resnet18)

# refuse EXIT_CODE TEXT ARGUMENTS...
refuse() {
  local code=$1 text=$2
  shift 2
  run "$code" "$LINNET" "$@"
  says err "$text"
  [ "$(grep -c '^linnet: ' err)" = 1 ] || { cat err >&2; die "not one line: $*"; }
}
train=(train "${small[@]}" --max-epochs 1)
refuse 2 "did you mean 'train'" trian
refuse 2 'did you mean --batch-size?' train --data data --batch-sise 3
refuse 2 'did you mean --devices?' train --data data --gpus 2
refuse 2 'resnet50' train --data data --arch resnet51
refuse 2 '32x' "${train[@]}" --batch-size 32x
refuse 2 'data.batch_size' "${train[@]}" --batch-size 0
refuse 2 '16-mixed' "${train[@]}" --precision 16-mixed
refuse 1 'nowhere' "${train[@]}" --data nowhere
refuse 1 'missing.ckpt' "${train[@]}" --resume missing.ckpt
refuse 1 'missing.yaml' "${train[@]}" --config missing.yaml
printf 'data:\n  batch_size: many\n' >wrong.yaml
refuse 2 'wrong.yaml:2' "${train[@]}" --config wrong.yaml
refuse 1 'no.ckpt' eval no.ckpt --data data
run 2 "$LINNET" eval
run 2 "$LINNET"

# train and val classes that differ, a class without images, no class at all
cp -r data differ
mv differ/val/"$(ls differ/val | head -n 1)" differ/val/zebra
refuse 1 'zebra' "${train[@]}" --data differ
cp -r data hollow
mkdir hollow/train/empty_class hollow/val/empty_class
refuse 1 'empty_class' "${train[@]}" --data hollow
mkdir -p bare/train bare/val
refuse 1 'bare/train' "${train[@]}" --data bare

# a checkpoint that is truncated, of another model, or with other classes
run 0 "$LINNET" "${train[@]}" --out run
last=run/checkpoints/resnet18/last.ckpt
head -c 100000 $last >cut.ckpt
refuse 1 'cut.ckpt' eval cut.ckpt --data data
refuse 1 'cut.ckpt' "${train[@]}" --out other --resume cut.ckpt
refuse 1 'does not match resnet34: lacks layer1.2.conv1.weight' eval $last --data data --arch resnet34
echo 'not a checkpoint' >text.ckpt
refuse 1 'text.ckpt' info text.ckpt
cp -r data renamed
for split in train val; do mv renamed/$split/"$(ls renamed/$split | head -n 1)" renamed/$split/zebra; done
refuse 1 'different classes' "${train[@]}" --data renamed --out run --resume auto

# a learning rate at which the loss diverges: the run stops and prints step and LR
refuse 1 'not finite at step' "${train[@]}" --lr 1e6 --trainer.clip_norm 0 --max-epochs 3 --out blown

# a file size limit: the old checkpoint survives (a full disk: cli/disk)
before=$(digest $last)
run 1 bash -c "ulimit -f 20000; exec \"\$@\"" _ "$LINNET" "${train[@]}" --max-epochs 2 --out run --resume auto
says err 'the checkpoint was not saved'
[ "$(digest $last)" = "$before" ] || die "a failed write lost the old checkpoint"
[ -z "$(find run -name '*.tmp')" ] || die "a temporary file is left"
run 0 "$LINNET" "${train[@]}" --max-epochs 2 --out run --resume auto

# corrupt images are listed, replaced in training and omitted in validation; too many end the run
cp -r data damaged
first=$(find damaged/train -name '*.jpg' | sort | head -n 1)
head -c 300 "$first" >short && cp short "$first"
echo text >"$(find damaged/val -name '*.jpg' | sort | sed -n 5p)"
: >"$(find damaged/val -name '*.jpg' | sort | sed -n 7p)"
run 0 "$LINNET" "${train[@]}" --data damaged --out damaged-run --data.max_bad 0.2 --json
says out '"top1"'
[ "$(wc -l <damaged-run/logs/resnet18/version_0/bad_images.txt)" = 3 ] || die "bad_images.txt does not contain the three"
run 0 "$LINNET" eval damaged-run/checkpoints/resnet18/last.ckpt --data damaged --data.max_bad 0.2 --json
says out '"images": 38'
says out '"bad_images": 2'
refuse 1 'data.max_bad' "${train[@]}" --data damaged --out damaged-strict --data.max_bad 0.001
