#!/usr/bin/env bash
# Two ranks train on a part of the images for validation, and on a CSV list, to the same bytes as on the tidy folder.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
tiny 6
fast=(train --arch resnet20 --image-size 16 --device cpu --precision 32-true --workers 1 --trainer.threads 1
  --batch-size 5 --max-epochs 1 --lr 0.02 --monitor.report false --seed 3)
last=checkpoints/resnet20/last.ckpt
mkdir nested
mv data nested/set
rm -r nested/set/val
run 0 "$LINNET" preview nested --split val --data.val_split 0.25 --seed 3 --images 1000 --out sheet.jpg
awk '/^ *[0-9]+ / { print $NF }' out | sort >val.txt
cp -r nested/set tidy
while read -r name; do
  mkdir -p "tidy/val/${name%/*}"
  mv "tidy/train/$name" "tidy/val/$name"
done <val.txt
find tidy -name '*.jpg' | awk -F/ '{ print $0 "," $3 "," $2 }' | sort -r >list.csv
run 0 ranks 2 "${fast[@]}" tidy --out tidy-run
run 0 ranks 2 "${fast[@]}" nested --data.val_split 0.25 --out nested-run
run 0 ranks 2 "${fast[@]}" --data.list list.csv --out listed-run
for out in nested-run listed-run; do
  [ "$(digest $out/$last)" = "$(digest tidy-run/$last)" ] || die "$out has other weights than tidy-run"
done
