#!/usr/bin/env bash
# `bench train --profile`: tables on the terminal, one object with --json.
# shellcheck source=tests/cli/lib.sh
source "$(dirname "$0")/lib.sh"
bench=("$LINNET" bench train --arch resnet18 --image-size 32 --batch-size 4 --steps 1 --warmup 1 --profile)

run 0 "${bench[@]}"
for text in 'peaks:' 'conv 3x3' 'bn+add+relu' 'update' 'other' 'layer1.0.conv1' \
  'layers other than convolution and linear:'; do
  says out "$text"
done
! grep -q 'oneDNN' out || says out 'algorithm of layer'
run 0 "${bench[@]}" --json
[ "$(wc -l <out)" = 1 ] || die "not one line"
/usr/bin/python3 - out <<'PY' || die "the JSON object"
import json, sys
r = json.load(open(sys.argv[1]))
p = r["profile"]
assert 0.5 < r["planned_bytes"] / r["peak_bytes"] < 2, r
assert len(p["layers"]) == 20 + 20 + 3, len(p["layers"])
named = sum(k["seconds"] for k in p["kinds"])
assert abs(named + p["other_seconds"] - p["step_seconds"]) < 1e-6
conv = [l for l in p["layers"] if l["name"] == "layer1.0.conv1"][0]
assert conv["input"] == [4, 8, 8, 64] and conv["forward"]["flop"] == 2 * 4 * 8 * 8 * 64 * 64 * 9
algorithms = [l for l in p["layers"] if "algorithm" in l["forward"]]
if algorithms:
    assert len(algorithms) == 20 + 1 and all("algorithm" in l["weights"] for l in algorithms)
    assert all(l["forward"]["implementation"] for l in algorithms if l["forward"]["algorithm"] == "onednn")
assert set(p["peaks"]) == {"flops", "read_bytes_per_second", "write_bytes_per_second", "mixed_bytes_per_second"}
PY
run 1 "$LINNET" bench train --arch resnet18 --image-size 512 --batch-size 65536
says err 'the largest that fits is data.batch_size'

# the loss of the options: at the start about log(1000), as BCE about log(2), or 1000 times that with --bce-sum
loss() {
  run 0 "$LINNET" bench train --arch resnet20 --image-size 32 --batch-size 4 --steps 1 --warmup 0 --json "$@"
  sed -E 's/.*"loss": ([^,]+),.*/\1/' out
}
plain=$(loss)
awk -v a="$plain" -v b="$(loss --optimizer.loss bce)" -v c="$(loss --optimizer.loss bce --bce-sum)" 'BEGIN {
  exit !(a > 5 && a < 9 && b > 0.4 && b < 1.2 && c > 999 * b && c < 1001 * b) }' || die "the loss of the options is not used"
awk -v a="$plain" -v b="$(loss --optimizer.class_weights balanced)" 'BEGIN { exit !(b > a - 1e-3 && b < a + 1e-3) }' ||
  die "weights of 1 change the loss"
