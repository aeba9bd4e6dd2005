#!/usr/bin/env bash
# A configuration that states its result: it is printed before the run, with what differs in the run; at the end, in the
# report and in run.json the result stands beside it. A resume keeps it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
tiny 4

cat >recipe.yaml <<'END'
expected:
  val_acc: 1
  spread: 0.001
  seeds: 3
  epochs: 2
  hardware: 2 cores
  time: 9 s
data: {image_size: 32, batch_size: 16, workers: 1}
model: {arch: resnet20}
optimizer: {lr: 0.02}
trainer: {max_epochs: 2, precision: 32-true, threads: 2}
END
recipe=(train data --config recipe.yaml)
expectation='expected   val_acc 100.00% +- 0.10% after 2 epochs (3 seeds; 2 cores; 9 s)'
once() { [ "$(grep -cxF -- "$2" "$1")" = 1 ] || { cat "$1" >&2; die "$1 has not once the line '$2'"; }; }

# options that do not change the result; a run that ends below
run 0 "$LINNET" "${recipe[@]}" --out below --seed 3 --workers 2 --checkpoint.top_k 1
once err "$expectation"
grep -qE '^result     val_acc [0-9.]+%, expected 100.00% \+- 0.10%: below$' out || { cat out >&2; die "the result is not printed"; }
grep -qE '^Expected validation accuracy: 100.00 % ± 0.10 % after 2 epochs; this run: [0-9.]+ %, \*\*below\*\*\.$' below/viewlogs.md ||
  { cat below/viewlogs.md >&2; die "the report lacks the result"; }
says below/viewlogs.md '| expected | val_acc 100.00% +- 0.10% after 2 epochs (3 seeds; 2 cores; 9 s) |'
record=logs/resnet20/version_0/run.json
says below/$record '"differs": ""'
says below/$record '"reached": false'
cp below/viewlogs.md before.md
run 0 "$LINNET" report below
cmp below/viewlogs.md before.md || die "the report from the logs differs"

# reached: the expectation less the spread
run 0 "$LINNET" "${recipe[@]}" --out reached --expected.spread 1 --json
says out '"reached": true'
says reached/viewlogs.md '**reached**'

# options that change it are named, and in the result too
run 0 "$LINNET" "${recipe[@]}" --out other --lr 0.03 --max-epochs 1 --batch-size 8
once err "$expectation; this run may not reach it, because it differs in optimizer.lr, trainer.max_epochs, images per step"
says out ': below (this run differs in optimizer.lr, trainer.max_epochs, images per step)'
says other/viewlogs.md 'This run differs in optimizer.lr, trainer.max_epochs, images per step.'
run 0 "$LINNET" "${recipe[@]}" --out same --batch-size 8 --trainer.accumulate 2 --max-steps 1 # the same images per step
once err "$expectation"

# its own copy of the configuration states the same
run 0 "$LINNET" train data --config other/logs/resnet20/version_0/hparams.yaml --out copy --max-steps 1
says err 'because it differs in optimizer.lr, trainer.max_epochs, images per step'

# stopped: no result yet. The resume keeps the expectation, also without the file; what differed before differs still
run 0 "$LINNET" "${recipe[@]}" --out parts --max-steps 2 --lr 0.03
! grep -q '^result' out || die "a result is printed before the end"
says parts/$record '"reached": null'
! grep -q 'this run:' parts/viewlogs.md || die "the report has a result before the end"
run 0 "$LINNET" "${recipe[@]}" --out parts --max-steps 3 --resume auto
once err "$expectation; this run may not reach it, because it differs in optimizer.lr"
plain=(train "${small[@]}" --out parts --resume auto)
run 0 "$LINNET" "${plain[@]}" --max-epochs 3
once err "$expectation; this run may not reach it, because it differs in optimizer.lr, trainer.max_epochs"
says out ': below (this run differs in optimizer.lr, trainer.max_epochs)'

run 0 "$LINNET" "${plain[@]}" --max-epochs 4 --batch-size 8
once err "$expectation; this run may not reach it, because it differs in optimizer.lr, trainer.max_epochs, images per step"

# no result if the last epoch is not validated
run 0 "$LINNET" "${recipe[@]}" --out unvalidated --max-epochs 3 --check-val-every-n-epoch 2
! grep -q '^result' out || die "the result of an earlier epoch is printed"
says unvalidated/$record '"result": null'

# nothing of it without an expectation, in a dry run and by find-lr
run 0 "$LINNET" train "${small[@]}" --max-epochs 1 --out plain
! grep -E '^(expected +|result +)val_acc|Expected|"expected"' err out plain/viewlogs.md plain/$record >&2 ||
  die "an expectation is shown without one"
run 0 "$LINNET" "${recipe[@]}" --dry-run --json
! grep -qi expected err || die "the dry run shows the expectation"
! grep -q '"reached": \(true\|false\)' out || die "the dry run has a result"

run 0 "$LINNET" "${recipe[@]}" --print-config
says out 'expected:'
says out '  hardware: "2 cores"'
sed -i 's/^  seeds:/  seed:/' recipe.yaml
run 2 "$LINNET" "${recipe[@]}" --out none
says err "recipe.yaml:4: unknown option 'expected.seed'; did you mean expected.seeds?"
sed -i 's/^  seed:/  seeds:/' recipe.yaml

# two ranks: printed once, with the number of images per step
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" "${recipe[@]}" --out two --devices 2 --threads 1
once err "$expectation; this run may not reach it, because it differs in images per step"
[ "$(grep -c '^result' out)" = 1 ] || die "the result is not printed once"
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" "${recipe[@]}" --out two --devices 2 --threads 1 --batch-size 8 --max-steps 1
once err "$expectation"
