#!/usr/bin/env bash
# linnet predict: files, folders and names from standard input; table, CSV and JSON lines; unreadable images.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
small+=(--arch resnet18)
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out run
ckpt=run/checkpoints/resnet18/last.ckpt

# the images of a folder in order, one block each, with at most as many lines as classes
run 0 "$LINNET" predict $ckpt data/val/circle --top 50
[ "$(grep -c '^data/val/circle/' out)" = 4 ] || die "not four images: $(cat out)"
[ "$(wc -l <out)" = 44 ] || die "not ten classes for each image"
says out "%  circle"

# the same for file names on standard input, as CSV; probabilities sum up to 1; a name with a comma is quoted
cp data/val/circle/0000.jpg 'a,b.jpg'
printf 'a,b.jpg\n\ndata/val/ring\n' | run 0 "$LINNET" predict $ckpt - --csv --top 10
[ "$(head -n 1 out)" = file,rank,class,index,probability ] || die "no header"
grep -q '^"a,b.jpg",1,' out || die "the name is not quoted"
[ "$(grep -c ',1,[a-z]*,[0-9],' out)" = 5 ] || die "not five images"
awk -F, '/^"a,b/ { sum += $NF } END { exit !(sum > 0.9999 && sum < 1.0001) }' out || die "probabilities do not sum up to 1"

# the class names are in the checkpoint, so the dataset is not needed
run 0 "$LINNET" info $ckpt
says out "class_names    checkerboard, circle, cross, "
run 0 "$LINNET" info $ckpt --json
says out '"image_size": 32, "class_names": ["checkerboard", "circle", "cross", '

# the other images of a batch have no effect
run 0 "$LINNET" predict $ckpt data/val/ring/0001.jpg --json
grep -F ring/0001.jpg out >one
run 0 "$LINNET" predict $ckpt data/val --json --data.val_batch_size 40
grep -F ring/0001.jpg out | cmp - one || die "the prediction depends on the batch"

# a file that is not an image is omitted with exit code 1; the others are predicted
echo text >bad.jpg
run 1 "$LINNET" predict $ckpt bad.jpg data/val/ring/0000.jpg --top 1
says err "image omitted: bad.jpg"
says err "1 of 2 images cannot be read"
says out "data/val/ring/0000.jpg"

mkdir empty
run 1 "$LINNET" predict $ckpt empty
says err "no images"
run 1 "$LINNET" predict $ckpt nothing.jpg
says err "nothing.jpg does not exist"
run 2 "$LINNET" predict $ckpt
run 2 "$LINNET" predict $ckpt data/val --top 0
