#!/usr/bin/env bash
# Names of classes, images, checkpoints and folders that are not UTF-8: JSON, CSV, Markdown, ONNX and safetensors are
# complete and UTF-8, with \\xHH for such a byte. If a result cannot be written, the command fails.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny
cafe=$'caf\xe9' image=$'\xff.jpg'
for split in train val; do
  mv data/$split/circle "data/$split/$cafe"
  mv "data/$split/$cafe/0000.jpg" "data/$split/$cafe/$image"
done
run 0 "$LINNET" train "${small[@]}" --max-steps 1 --out run --json
python3 -m json.tool out >/dev/null || die "train --json printed invalid JSON"
ckpt=$'run/\xe8.ckpt'
cp run/checkpoints/resnet20/last.ckpt "$ckpt"

# valid FILE TEXT...: FILE is UTF-8, each line of it JSON, and has each TEXT in a string
valid() {
  python3 - "$@" <<'END' || { cat "$1" >&2; die "$1"; }
import json, sys
def texts(o):
    if isinstance(o, dict): o = list(o.values())
    return [o] if isinstance(o, str) else [t for one in o for t in texts(one)] if isinstance(o, list) else []
with open(sys.argv[1], encoding="utf-8") as f:
    content = f.read()
try: found = texts(json.loads(content))
except json.JSONDecodeError: found = [t for line in content.splitlines() for t in texts(json.loads(line))]
for want in sys.argv[2:]:
    assert any(want in t for t in found), (want, found)
END
}
is_utf8() { iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 || die "$1 is not UTF-8"; }

run 0 "$LINNET" eval "$ckpt" data --workers 1 --json --tables tables
valid out 'caf\xE9'
for table in tables/*.csv; do is_utf8 "$table"; done
says tables/classes.csv 'caf\xE9,'
run 0 "$LINNET" predict "$ckpt" "data/val/$cafe" --workers 1 --json
valid out 'caf\xE9' 'data/val/caf\xE9/\xFF.jpg'
run 0 "$LINNET" predict "$ckpt" "data/val/$cafe" --workers 1 --csv
is_utf8 out
says out 'data/val/caf\xE9/\xFF.jpg,1,'
run 0 "$LINNET" info "$ckpt" --json
valid out 'caf\xE9'

# the logs of the run, its report, and one in another folder
valid run/logs/resnet20/version_0/run.json
is_utf8 run/viewlogs.md
run 0 "$LINNET" report run --out $'pages\xe9' --json
valid out 'pages\xE9/viewlogs.md'

# the audit finds the copies of an image in both splits
cp "data/train/$cafe/$image" "data/val/$cafe/copy.jpg"
run 0 "$LINNET" audit data --json --out audit
valid out 'caf\xE9/\xFF.jpg'
valid audit/audit.json 'caf\xE9/\xFF.jpg'
is_utf8 audit/audit.md

# an exported file has the names and can be evaluated on the same data
run 0 "$LINNET" export "$ckpt" --format onnx --out model.onnx
grep -aqF 'caf\\xE9' model.onnx || die "model.onnx lacks the class"
run 0 "$LINNET" export "$ckpt" --format safetensors --out model.safetensors
run 0 "$LINNET" eval model.safetensors data --image-size 32 --workers 1 --json
valid out 'caf\xE9'

# a result that cannot be written
for command in "info $ckpt" "predict $ckpt data/val/ring --workers 1" "doctor"; do
  IFS=' ' read -ra words <<<"$command"
  code=0
  "$LINNET" "${words[@]}" --json >/dev/full 2>err || code=$?
  [ $code = 1 ] || die "$command: exit code $code"
  says err "cannot write"
done
