#!/usr/bin/env bash
# optimizer.smooth_val_loss: val_loss is the cross-entropy with label smoothing, as torch.nn.CrossEntropyLoss defines it;
# eval computes the same for a checkpoint of the run. Without it val_loss has no smoothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4
last=checkpoints/resnet20/last.ckpt
smooth=("${small[@]}" --max-epochs 1 --monitor.report false --optimizer.label_smoothing 0.2)
run 0 "$LINNET" train "${smooth[@]}" --optimizer.smooth_val_loss true --out smooth
run 0 "$LINNET" train "${smooth[@]}" --out plain
[ "$(digest smooth/$last)" = "$(digest plain/$last)" ] || die "the option changes the training"
run 0 "$LINNET" predict smooth/$last data/val --top 10 --json --precision 32-true
cp out predictions

# expected SMOOTHING: the loss by the predicted probabilities
expected() {
  python3 - "$1" <<'PY'
import json, math, sys
s, losses = float(sys.argv[1]), []
for line in open("predictions"):
    o = json.loads(line)
    p = {t["class"]: t["probability"] for t in o["top"]}
    uniform = -sum(map(math.log, p.values())) / len(p)
    losses.append((1 - s) * -math.log(p[o["file"].split("/")[-2]]) + s * uniform)
print(sum(losses) / len(losses))
PY
}
# near A B
near() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a != "" && (a - b) ^ 2 < 1e-8 * (a * a + 1)) }' || die "loss $1, expected $2"; }
val_loss() { "$LINNET" info "$1/$last" | awk '$1 == "val_loss" { print $2 }'; }
evaluated() { "$LINNET" eval "$@" --data data --precision 32-true --json | sed -nE 's/.*"loss": ([0-9.]+),.*/\1/p'; }
near "$(val_loss smooth)" "$(expected 0.2)"
near "$(val_loss plain)" "$(expected 0)"
near "$(evaluated smooth/$last)" "$(expected 0.2)"
near "$(evaluated plain/$last)" "$(expected 0)"
near "$(evaluated smooth/$last --optimizer.smooth_val_loss false)" "$(expected 0)"
[ "$(evaluated smooth/$last --flip)" != "$(evaluated plain/$last --flip)" ] || die "eval --flip ignores the option"
