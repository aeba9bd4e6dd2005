#!/usr/bin/env bash
# Images that cannot be read are told on the terminal and in the report; where they end the run, each piece of advice in
# the message works when it is followed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8
options=("${small[@]}" --image-size 16 --max-epochs 2 --data.shuffle false --schedule.name none)
logs=logs/resnet18/version_0

# two of them, cut short: the first with its name and reason, then a count in the epoch that met them
cp -r data two
mapfile -t bad < <(find two/train -type f | sort | sed -n '18p;50p')
for f in "${bad[@]}"; do head -c 300 "$f" >short && cp short "$f"; done
run 0 "$LINNET" train "${options[@]}" --data two --out told --data.max_bad 0.1
grep -q "^warning: unreadable image: ${bad[0]}: " err || { cat err >&2; die "the first is not told"; }
! grep -q "unreadable image: ${bad[1]}" err || die "not the first alone"
[ "$(grep -c "^warning: epoch .*bad_images.txt" err)" = 1 ] || { cat err >&2; die "not one count"; }
says err "epoch 1: 2 of the 80 training images and 0 of the 40 validation images cannot be read: $PWD/told/$logs/bad_images.txt"
says told/viewlogs.md '2 images cannot be read (`bad_images.txt`)'
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --data two --out told --data.max_bad 0.1 --resume auto
! grep -q 'unreadable\|cannot be read' err || { cat err >&2; die "a resumed run tells again what is known"; }

# too many
cp -r data spoilt
mapfile -t bad < <(find spoilt/train -type f | sort | sed -n '34,41p')
for f in "${bad[@]}"; do echo no image >"$f"; done
stopped=("${options[@]}" --data spoilt --out stopped --data.max_bad 0.05)
run 1 "$LINNET" train "${stopped[@]}"
says err 'so far 5 of the 80 images in spoilt/train cannot be read'
says err 'at step 2'
mkdir kept
cp -r spoilt stopped kept
# follow OPTIONS...: resumes, and the run comes to its end
follow() {
  run 0 "$LINNET" train "${stopped[@]}" --resume auto "$@"
  says err 'step 2'
  grep -q 'epoch 2/2: ' err || { cat err >&2; die "no end"; }
  rm -rf spoilt stopped
  cp -r kept/spoilt kept/stopped .
}
cp err message
# raise data.max_bad
says message 'raise data.max_bad'
follow --data.max_bad 0.2
# what linnet audit finds
advice=$(sed -nE 's/.*[(]linnet (audit [^ ]*) lists them all.*/\1/p' message)
read -ra advice <<<"$advice"
run 0 "$LINNET" "${advice[@]}" --json
for f in "${bad[@]}"; do says out "${f#spoilt/train/}"; done
# mend them
says kept/stopped/$logs/bad_images.txt "${bad[0]}"
run 1 "$LINNET" train "${stopped[@]}" --resume auto # as they are: the same end
says err 'cannot be read'
rm -rf stopped && cp -r kept/stopped .
for f in "${bad[@]}"; do cp "data/${f#spoilt/}" "$f"; done
run 1 "$LINNET" train "${stopped[@]}" --resume auto
says err '--data.changed true'
run 0 "$LINNET" train "${stopped[@]}" --resume auto --data.changed true
[ ! -s stopped/$logs/bad_images.txt ] || { cat stopped/$logs/bad_images.txt >&2; die "mended images stay bad"; }
! grep "images cannot be read (.bad_images" stopped/viewlogs.md >&2 || die "the report still tells of mended images"
rm -rf spoilt stopped && cp -r kept/spoilt kept/stopped .
# remove them: the epoch restarts
rm "${bad[@]}"
follow --data.changed true
cp -r kept/spoilt kept/stopped .
rm "${bad[@]}"
run 0 "$LINNET" train "${stopped[@]}" --resume auto --data.changed true
says err 'there are 72 training images, not 80: epoch 1 restarts'
# an evaluation has no list and nothing to resume
last=told/checkpoints/resnet18/last.ckpt
cp -r data broken
find broken/val -type f | head -n 9 | while read -r f; do echo no >"$f"; done
run 1 "$LINNET" eval $last broken
says err 'of the 40 images in broken/val cannot be read'
! grep -q 'bad_images.txt\|--resume' err || { cat err >&2; die "eval speaks of files that it does not write"; }
