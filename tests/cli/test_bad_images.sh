#!/usr/bin/env bash
# Images that cannot be read are reported on the terminal and in the report. If they end the run, each piece of advice
# in the message works when it is followed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8
options=("${small[@]}" --image-size 16 --max-epochs 2 --data.shuffle false --schedule.name none)
logs=logs/resnet20/version_0

# two truncated images: the first is reported with its name and reason, then the epoch's number of them
cp -r data two
mapfile -t bad < <(find two/train -type f | sort | sed -n '18p;50p')
for f in "${bad[@]}"; do head -c 300 "$f" >short && cp short "$f"; done
run 0 "$LINNET" train "${options[@]}" --data two --out listed --data.max_bad 0.1
grep -q "^warning: unreadable image: ${bad[0]}: " err || { cat err >&2; die "the first bad image is not reported"; }
! grep -q "unreadable image: ${bad[1]}" err || die "not only the first is reported by name"
[ "$(grep -c "^warning: epoch .*bad_images.txt" err)" = 1 ] || { cat err >&2; die "not one line with the number"; }
says err "epoch 1: 2 of the 80 training images and 0 of the 40 validation images cannot be read; see $PWD/listed/$logs/bad_images.txt"
says listed/viewlogs.md '2 images cannot be read (`bad_images.txt`)'
run 0 "$LINNET" train "${options[@]}" --max-epochs 3 --data two --out listed --data.max_bad 0.1 --resume auto
! grep -q 'unreadable\|cannot be read' err || { cat err >&2; die "a resumed run repeats known bad images"; }

# too many
cp -r data damaged
mapfile -t bad < <(find damaged/train -type f | sort | sed -n '34,41p')
for f in "${bad[@]}"; do echo no image >"$f"; done
stopped=("${options[@]}" --data damaged --out stopped --data.max_bad 0.05)
run 1 "$LINNET" train "${stopped[@]}"
says err 'so far, 5 of the 80 images in damaged/train cannot be read'
says err 'at step 2'
mkdir kept
cp -r damaged stopped kept
# continues OPTIONS...: the resumed run reaches its end
continues() {
  run 0 "$LINNET" train "${stopped[@]}" --resume auto "$@"
  says err 'step 2'
  grep -q 'epoch 2/2: ' err || { cat err >&2; die "the run did not finish"; }
  rm -rf damaged stopped
  cp -r kept/damaged kept/stopped .
}
cp err message
# raise data.max_bad
says message 'raise data.max_bad'
continues --data.max_bad 0.2
# linnet audit finds the images
advice=$(sed -nE 's/.*[(]linnet (audit [^ ]*) lists them[)].*/\1/p' message)
read -ra advice <<<"$advice"
run 0 "$LINNET" "${advice[@]}" --json
for f in "${bad[@]}"; do says out "${f#damaged/train/}"; done
# repair them
says kept/stopped/$logs/bad_images.txt "${bad[0]}"
run 1 "$LINNET" train "${stopped[@]}" --resume auto # without a repair it fails again
says err 'cannot be read'
rm -rf stopped && cp -r kept/stopped .
for f in "${bad[@]}"; do cp "data/${f#damaged/}" "$f"; done
run 1 "$LINNET" train "${stopped[@]}" --resume auto
says err '--data.changed true'
run 0 "$LINNET" train "${stopped[@]}" --resume auto --data.changed true
[ ! -s stopped/$logs/bad_images.txt ] || { cat stopped/$logs/bad_images.txt >&2; die "repaired images are still listed as bad"; }
! grep "images cannot be read (.bad_images" stopped/viewlogs.md >&2 || die "the report still lists repaired images"
rm -rf damaged stopped && cp -r kept/damaged kept/stopped .
# remove them: the epoch restarts
rm "${bad[@]}"
continues --data.changed true
cp -r kept/damaged kept/stopped .
rm "${bad[@]}"
run 0 "$LINNET" train "${stopped[@]}" --resume auto --data.changed true
says err 'there are 72 training images, not 80: epoch 1 restarts'
# an evaluation writes no list and cannot be resumed
last=listed/checkpoints/resnet20/last.ckpt
cp -r data broken
find broken/val -type f | head -n 9 | while read -r f; do echo no >"$f"; done
run 1 "$LINNET" eval $last broken
says err 'of the 40 images in broken/val cannot be read'
! grep -q 'bad_images.txt\|--resume' err || { cat err >&2; die "eval mentions files that it does not write"; }
