#!/usr/bin/env bash
# A run of 4 ranks is continued by 2 ranks, in double precision: the images, steps and running statistics are the same.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"

tiny 8
double=(train --data data --arch resnet18 --image-size 16 --device ref --workers 1 --lr 0.02 --trainer.log_every_n_steps 1
  --max-epochs 1)
elastic=("${double[@]}" --batch-size 2 --trainer.global_batch 8 --trainer.limit_train_batches 16
  --trainer.limit_val_batches 4)
run 0 ranks 4 "${elastic[@]}" --out four --json
cp out four.json
run 0 ranks 4 "${elastic[@]}" --out changed --max-steps 2 --json
run 0 ranks 2 "${elastic[@]}" --out changed --resume auto --json
near "$(value out loss)" "$(value four.json loss)" 1e-6
near "$(value out train_loss)" "$(value four.json train_loss)" 1e-6
paste <(column train_loss_step four/logs/resnet18/version_0/metrics.csv) \
  <(column train_loss_step changed/logs/resnet18/version_0/metrics.csv) >losses
[ "$(wc -l <losses)" = 4 ] || die "not 4 steps"
while read -r a b; do near "$b" "$a" 1e-6; done <losses

# the images of every step, in their global order
logs=logs/resnet18/version_0
[ "$(wc -l <four/$logs/samples.csv)" = 5 ] || die "not 4 hashes"
diff four/$logs/samples.csv changed/$logs/samples.csv >&2 || die "the images or their order differ"
[ "$(column samples four/$logs/samples.csv | sort -u | wc -l)" = 4 ] || die "steps with the same hash"

# the running statistics at the end
for run in four changed; do
  run 0 "$LINNET" export $run/checkpoints/resnet18/last.ckpt --format safetensors --out $run.safetensors
done
python3 - four.safetensors changed.safetensors <<'END' || die "the running statistics differ"
import json, struct, sys
def read(path):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    for name, t in json.loads(data[8:8 + n]).items():
        if name.endswith(("running_mean", "running_var")):
            assert t["dtype"] in ("F32", "F64"), t
            a, b = t["data_offsets"]
            raw = data[8 + n + a:8 + n + b]
            yield name, struct.unpack("<%d%s" % ((len(raw) // 4, "f") if t["dtype"] == "F32" else (len(raw) // 8, "d")), raw)
a, b = (dict(read(path)) for path in sys.argv[1:])
assert len(a) == 40 and a.keys() == b.keys(), len(a)
worst = max(max(abs(x - y) for x, y in zip(a[k], b[k])) / max(map(abs, a[k])) for k in a)
print("running statistics: largest difference %.1e of a tensor's largest value" % worst)
sys.exit(worst > 1e-6)
END
