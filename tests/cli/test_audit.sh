#!/usr/bin/env bash
# linnet audit finds every planted defect and nothing else; as a table, JSON and a Markdown page.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
"$LINNET" shapes data --train 6 --val 6 --size 96 --seed 1 >/dev/null
run 0 "$LINNET" audit data --json
cp out clean.json
found() { # KIND: how many
  sed -n "s/.*\"$1\": \([0-9]*\)[,}].*/\1/p" out | head -n 1
}
for kind in unreadable empty truncated corrupt unsupported misnamed cmyk gray small elongated duplicate empty_class unbalanced_class \
  only_in_train only_in_val lost; do
  [ "$(found $kind)" = 0 ] || { cat out; die "a false report: $kind"; }
done
near=$(found near_duplicate)

t=data/train/circle
: >$t/empty.jpg
head -c $(($(stat -c %s $t/0001.jpg) / 2)) $t/0001.jpg >$t/cut.jpg
printf 'no image at all' >$t/noise.jpg
ln -s nowhere $t/gone.jpg
cp data/train/ring/0000.jpg $t/0000.png # misnamed, and a duplicate in another class
cp data/val/ring/0001.jpg data/train/ring/leak.jpg
mkdir data/train/only data/val/empty data/val/only2
cp data/train/ring/0002.jpg data/train/only/x.jpg
"$LINNET" shapes tiny --train 1 --val 1 --size 24 --seed 9 >/dev/null
cp tiny/train/ring/0000.jpg data/val/only2/tiny.jpg
run 0 "$LINNET" audit data --json --out page
expect() { [ "$(found "$1")" = "$2" ] || { cat out; die "$1: $(found "$1"), expected $2"; }; }
expect empty 1
expect truncated 1
expect corrupt 1
expect unreadable 1
expect misnamed 2 # noise.jpg is not a JPEG either
expect small 1
expect duplicate 3
expect near_duplicate "$near"
expect empty_class 1
expect unbalanced_class 2
expect only_in_train 1
expect only_in_val 2
says out '"file": "circle/cut.jpg"'
says out 'of another class'
# the name is printed once, followed by the cause
! grep -q '"detail": "[^"]*\.jpg' out || die "a detail repeats the path"
says page/audit.md 'train/circle/gone.jpg: cannot read: No such file or directory`'
for f in page/audit.md page/audit.json page/audit-duplicate.jpg; do [ -s $f ] || die "no $f"; done
says page/audit.md '![the first 6 images](audit-duplicate.jpg)'
says page/audit.md 'train/ring/leak.jpg'

# a set of small images is reported in one line per split
"$LINNET" shapes small --train 12 --val 12 --size 24 --seed 1 >/dev/null
run 0 "$LINNET" audit small --json
expect small 2
says out '120 of 120 images'

# mean and standard deviation of the training pixels: two levels per channel, known figures; damaged images do not count
mkdir -p flat/train/a flat/val/a
printf 'P6 2 1 255\n\000\377\063\377\377\063' >flat/train/a/1.ppm
printf 'P6 1 2 255\n\000\000\063\377\000\063' >flat/train/a/2.ppm
printf 'P6 9 9 255\n\377\377\377' >flat/train/a/cut.ppm
printf 'P6 1 1 255\n\377\377\377' >flat/val/a/1.ppm
run 0 "$LINNET" audit flat --mean-std
says out '--data.mean 0.5000,0.5000,0.2000 --data.std 0.5000,0.5000,0.0000'
run 0 "$LINNET" audit flat --mean-std --json --threads 2
says out '"mean": [0.5, 0.5, 0.20000000000000001]'
run 2 "$LINNET" audit flat --mean-std --quick
says err 'use either --quick or --mean-std'

# without decoding
run 0 "$LINNET" audit data --quick --json
expect truncated 1
expect duplicate 3
expect near_duplicate 0

# colour spaces, re-encoded and resized copies
if /usr/bin/python3 -c 'import PIL' 2>/dev/null; then
  mkdir -p near/train/a near/train/b
  /usr/bin/python3 - <<'PY'
from PIL import Image
import random
rng = random.Random(3)
for i in range(8):
    small = Image.new("RGB", (9, 7))
    small.putdata([tuple(rng.randrange(256) for _ in range(3)) for _ in range(63)])
    photo = small.resize((450, 350), Image.BICUBIC)
    photo.save(f"near/train/a/{i}.jpg", quality=95)
    if i < 3:
        photo.save(f"near/train/b/quality{i}.jpg", quality=60)
    elif i < 6:
        photo.resize((300, 233), Image.BICUBIC).save(f"near/train/b/size{i}.png")
    elif i == 6:
        photo.convert("L").save("near/train/b/gray.jpg")
    else:
        photo.convert("CMYK").save("near/train/b/cmyk.jpg")
photo.resize((450, 60)).save("near/train/b/long.jpg")
PY
  run 0 "$LINNET" audit near --json
  expect gray 1
  expect cmyk 1
  expect elongated 1
  expect near_duplicate 10 # long.jpg contains the last photo too, so it matches the original and its CMYK copy
fi
