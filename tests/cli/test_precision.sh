#!/usr/bin/env bash
# A resume with trainer.precision auto keeps the precision of the checkpoint, so that it is exact on a machine where auto
# means another one. A change of the precision is a warning.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
case $("$LINNET" doctor | grep '^CPU ') in
*'level avx512_bf16' | *'level amx') ;;
*) echo "skipped: this CPU does not compute bf16, so trainer.precision has one value" && exit 77 ;;
esac
chosen=$("$LINNET" doctor | sed -n 's/^precision .*auto: \([a-z0-9-]*\).*/\1/p')
case $chosen in
32-true) other=bf16-mixed ;;
bf16-mixed) other=32-true ;;
*) die "doctor does not tell the precision: '$chosen'" ;;
esac
easy data
last=checkpoints/resnet20/last.ckpt
options=("${small[@]}" --device cpu --lr 0.02 --max-epochs 2)

run 0 "$LINNET" train "${options[@]}" --precision $other --out whole --max-steps 6
run 0 "$LINNET" train "${options[@]}" --precision $other --out parts --max-steps 3
run 0 "$LINNET" train "${options[@]}" --precision auto --out parts --max-steps 6 --resume auto
says err "trainer.precision auto: $other, as in the checkpoint of --resume"
[ "$(digest parts/$last)" = "$(digest whole/$last)" ] || die "the resume with auto is not exact"
run 0 "$LINNET" train "${options[@]}" --precision $chosen --out parts --max-steps 7 --resume auto
says err "was trained in $other, but the run now uses $chosen"

# without a change there is no message; a precision that the device lacks is replaced, with a warning
run 0 "$LINNET" train "${options[@]}" --precision auto --out plain --max-steps 2
run 0 "$LINNET" train "${options[@]}" --precision auto --out plain --max-steps 3 --resume auto
! grep -q precision err || die "a resume without a change mentions the precision"
run 0 "$LINNET" train "${options[@]}" --precision bf16-mixed --out bf16 --max-steps 2
LINNET_CPU=avx2 run 0 "$LINNET" train "${options[@]}" --precision auto --out bf16 --max-steps 3 --resume auto
says err "was trained in bf16-mixed, which this device does not support: the run continues in 32-true"

# two ranks
# shellcheck source=tests/cli/ranks.sh
. "$(dirname "$0")/ranks.sh"
ASAN_OPTIONS=$no_leaks run 0 "$LINNET" train "${options[@]}" --precision auto --out parts --max-steps 8 --resume auto \
  --devices 2 --threads 1
