#!/usr/bin/env bash
# monitor.progress json and monitor.prometheus_file: what they contain in a run, a resumed run and a failed one, that the
# training is the same with and without them, and that a file that cannot be written is refused.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
tiny 8
train=("$LINNET" train "${small[@]}" --max-epochs 2 --monitor.report false)

# lines FILE: checks each JSON line and prints the events in order
lines() {
  /usr/bin/python3 - "$1" <<'PY'
import json, math, sys
always = {"v", "event", "time", "epoch", "steps_done"}
own = {"start": {"logs", "max_epochs", "steps_per_epoch", "ranks", "resumed_from"},
       "step": {"step", "loss", "lr", "grad_norm", "train_loss", "train_acc", "images_per_second", "data_wait", "communication"},
       "epoch": {"train_loss", "train_acc", "val_loss", "val_acc", "val_acc_top5", "lr", "images_per_second", "data_wait"},
       "checkpoint": {"path"}, "end": {"state", "error", "seconds"}}
names, last = [], 0
for line in open(sys.argv[1]):
    if not line.startswith("{"):
        continue
    o = json.loads(line, parse_constant=lambda s: sys.exit("not JSON: " + s))
    assert o["v"] == 1 and set(o) == always | own[o["event"]], o
    assert o["time"] >= last, o
    last = o["time"]
    if o["event"] == "step":
        assert o["steps_done"] == o["step"] + 1 and o["loss"] > 0 and o["lr"] == 0.02, o
    names.append(o["event"] + ("=" + o["state"] if o["event"] == "end" else ""))
print(*names)
PY
}
metric() { sed -nE "s/^linnet_$1\{run=\"[^\"]*\"\} (.*)/\1/p" run.prom; }

run 0 "${train[@]}" --out plain
steps=$(($(wc -l <plain/logs/resnet20/version_0/samples.csv) - 1))
run 0 "${train[@]}" --out watched --progress json --monitor.prometheus_file run.prom
cp err lines.txt
want="start"
for _ in 1 2; do
  for ((i = 0; i < steps / 2; i++)); do want+=" step"; done
  want+=" epoch checkpoint checkpoint" # among the best, and last.ckpt
done
[ "$(lines lines.txt)" = "$want end=done" ] || { cat lines.txt >&2; die "events"; }
! grep -q "train .*img/s" lines.txt || die "the progress line is also there"
[ "$(digest plain/checkpoints/resnet20/last.ckpt)" = "$(digest watched/checkpoints/resnet20/last.ckpt)" ] ||
  die "the weights differ"

[ "$(metric running)" = 0 ] && [ "$(metric steps)" = "$steps" ] && [ "$(metric learning_rate)" = 0.02 ] || { cat run.prom >&2; die "metrics"; }
[ "$(metric communication_ratio)" = "" ] || die "one rank communicates"
saved=$(metric checkpoint_timestamp_seconds)
[ $(($(date +%s) - ${saved%.*})) -lt 200 ] || die "checkpoint at $saved"
for name in epoch train_loss train_accuracy val_loss val_accuracy images_per_second data_wait_ratio; do
  [ -n "$(metric $name)" ] || { cat run.prom >&2; die "no linnet_$name"; }
done
[ -z "$(grep -vE '^(# (HELP|TYPE) linnet_[a-z_]+ [^ ].*|linnet_[a-z_]+\{run="/[^"]*/watched/logs/resnet20/version_0"\} [-+0-9.e]+)$' run.prom)" ] ||
  { cat run.prom >&2; die "not Prometheus' text format"; }
[ ! -e run.prom.tmp ] || die "a temporary file remains"

# to a file, which a resumed run continues; the terminal keeps its progress
run 0 "${train[@]}" --out parts --progress json --monitor.progress_file parts.jsonl --max-steps 2
! grep -q '^{' err || die "JSON on standard error"
run 0 "${train[@]}" --out parts --progress json --monitor.progress_file parts.jsonl --resume auto
[[ $(lines parts.jsonl) == "start step step checkpoint end=stopped start step"*"end=done" ]] || { cat parts.jsonl >&2; die "resumed: events"; }
[ "$(grep -c '"resumed_from":"[^"]*parts/checkpoints/resnet20/last.ckpt"' parts.jsonl)" = 1 ] || die "resumed_from"
[ "$(digest plain/checkpoints/resnet20/last.ckpt)" = "$(digest parts/checkpoints/resnet20/last.ckpt)" ] || die "resumed: the weights differ"

# a failed run says so
run 1 "${train[@]}" --out failed --progress json --monitor.prometheus_file run.prom --lr 1e6 --trainer.clip_norm 0
grep '"event":"end"' err | grep '"state":"failed"' | grep -q '"error":"the gradient is not finite' || { cat err >&2; die "no error"; }
[ "$(metric running)" = 0 ] || die "a failed run is running"

# before the first step
run 1 "${train[@]}" --out refused --progress json --monitor.progress_file none/x.jsonl
says err "none/x.jsonl"
run 1 "${train[@]}" --out refused --monitor.prometheus_file none/x.prom
says err "none/x.prom"
run 2 "${train[@]}" --out refused --progress xml
says err "text"

# several ranks: rank 0 writes
if [ -e "$(dirname "$LINNET")/liblinnet_mpi.so" ] && command -v mpirun >/dev/null; then
  ASAN_OPTIONS=$no_leaks OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 run 0 "${train[@]}" --out ranks \
    --progress json --monitor.prometheus_file run.prom --trainer.threads 1 --batch-size 8 --max-epochs 1 --devices 2
  [ "$(lines err)" = "start step step step step step epoch checkpoint checkpoint end=done" ] || { cat err >&2; die "2 ranks: events"; }
  grep '"event":"start"' err | grep -q '"ranks":2' || die "2 ranks: start"
  grep '"event":"step"' err | tail -n 1 | grep -qE '"communication":[0-9]' || die "2 ranks: no communication"
  [ -n "$(metric communication_ratio)" ] || die "2 ranks: no linnet_communication_ratio"
fi
