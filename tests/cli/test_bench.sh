#!/usr/bin/env bash
# linnet bench data: its counts, its limits, invalid arguments.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8

# value KEY: of the JSON object in `out`
value() { sed -E "s/.*\"$1\": ([^,}]+).*/\1/" out; }
# is KEY VALUE
is() { [ "$(value "$1")" = "$2" ] || { cat out >&2; die "$1 is $(value "$1"), not $2"; }; }
bench=("$LINNET" bench data --data data --image-size 32 --batch-size 12 --workers 2 --json)

# an epoch by default, short last batch included
run 0 "${bench[@]}"
is images 80
is split '"train"'
is workers 2
is image_size 32
is bad_images 0
run 0 "${bench[@]}" --split val
is images 40
is split '"val"'
run 0 "${bench[@]}" --data.drop_last
is images 72

# the rates agree with the times
awk -v n="$(value images)" -v s="$(value seconds)" -v r="$(value images_per_second)" -v c="$(value cpu_seconds)" \
  -v q="$(value images_per_cpu_second)" 'BEGIN {
    exit !(s > 0 && c > 0 && r * s > n * 0.999 && r * s < n * 1.001 && q * c > n * 0.999 && q * c < n * 1.001) }' ||
  { cat out >&2; die "the rates do not agree with the times"; }
size=$(find data/train -name '*.jpg' -printf '%s\n' | awk '{ n += $1 } END { print n / NR }')
awk -v a="$size" -v b="$(value mean_file_bytes)" 'BEGIN { exit !(a > b - 0.1 && a < b + 0.1) }' || die "the mean size is wrong"

# limits: the first batch that reaches a limit is the last one, possibly after several epochs
run 0 "${bench[@]}" --images 20
is images 24
run 0 "${bench[@]}" --images 170
is images 172
run 0 "${bench[@]}" --seconds 0.3
awk -v s="$(value seconds)" 'BEGIN { exit !(s >= 0.3 && s < 3) }' || die "--seconds 0.3 took $(value seconds)"
run 0 "${bench[@]}" --images 5 --seconds 100
is images 12

# an unreadable image is replaced in training, omitted in validation, and reported
: >"$(find data/val -name '*.jpg' | head -n 1)"
run 0 "${bench[@]}" --split val --data.max_bad 0.1
is images 39
is bad_images 1
run 1 "${bench[@]}" --split val --data.max_bad 0
says err 'max_bad'

run 2 "${bench[@]}" --split test
says err '--split must be train or val'
run 2 "${bench[@]}" --images 0
run 2 "${bench[@]}" --seconds -1
run 2 "$LINNET" bench data
run 2 "$LINNET" bench
run 2 "$LINNET" bench disk
run 1 "${bench[@]}" --data nowhere
run 0 "$LINNET" bench --help
run 0 "$LINNET" bench data --help
says out '--data.workers'
