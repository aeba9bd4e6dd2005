#!/usr/bin/env bash
# linnet help --write: man pages that man and mandoc accept and that contain every option, and completions that the
# shells accept. bash completes with them here; a shell or tool that is missing is skipped with a message.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
run 2 "$LINNET" help --write
run 1 "$LINNET" help --write /dev/null/x
says err /dev/null
run 0 "$LINNET" help --write share
[ ! -s out ] && [ ! -s err ] || die "help --write prints something"
pages=share/man/man1

mapfile -t commands < <("$LINNET" --help | sed -nE 's/^  ([a-z-]+) .*/\1/p')
commands+=('bench train' 'bench eval' 'bench data' 'bench allreduce')
[ "$(find $pages -name '*.1' | wc -l)" = $((${#commands[@]} + 1)) ] || die "pages: $(ls $pages)"
for command in "${commands[@]}"; do
  read -ra words <<<"$command"
  name=linnet-${command// /-}
  page=$pages/$name.1
  "$LINNET" "${words[@]}" --help | sed -nE 's/^  (--[a-z0-9._-]+).*/\1/p' | while read -r option; do
    grep -qF "\\fB${option//-/\\-}\\fR" "$page" || die "$page lacks $option"
  done
  says $pages/linnet.1 "${name//-/\\-} (1)"
done

if command -v man >/dev/null && man --warnings -l $pages/linnet.1 >/dev/null 2>&1; then
  for page in $pages/*; do
    LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l "$page" >page.txt 2>err
    [ ! -s err ] || { cat err >&2; die "man warns about $page"; }
    says page.txt NAME
  done
else
  echo "not checked: man is not installed"
fi
if command -v mandoc >/dev/null; then
  for page in $pages/*; do
    mandoc -T lint -W warning "$page" | grep -v 'missing date' >lint || true # a source without git has no date
    [ ! -s lint ] || { cat lint >&2; die "mandoc warns about $page"; }
  done
else
  echo "not checked: mandoc is not installed"
fi

# completes WORDS... : what bash offers for the last of them
mkdir folder
touch folder.yaml
completes() {
  bash -c '. share/bash-completion/completions/linnet
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _linnet
    printf "%s\n" "${COMPREPLY[@]}" | sort' - linnet "$@" >offered 2>err
  [ ! -s err ] || { cat err >&2; die "the completion prints: $*"; }
  tr '\n' ' ' <offered | sed 's/ $//'
}
offers() { # expected, words
  local want=$1 got
  shift
  got=$(completes "$@")
  [ "$got" = "$want" ] || die "linnet $*: offers '$got', not '$want'"
}
offers train tr
offers "--data.augment --data.augmix_severity --data.auto_augment" train --data.au
offers "auto cpu cuda ref" train --device ""
offers "cpu cuda" train --device c
offers "cpu cuda" train --trainer.device = c
offers "auto cpu cuda ref" train --device =
offers "allreduce data eval train" bench ""
offers "--bytes" bench allreduce --b
offers "bf16 fp16 fp32" bench allreduce --type ""
offers "--type" bench allreduce --ty
offers imagenet prepare i
offers "onnx pth safetensors" export x.ckpt --format ""
offers folder preview --data fo
offers "folder folder.yaml" train --config fo
offers auto train --resume au
offers "false true" train --data.shuffle ""
offers --data.shuffle_buffer train --data.shuffle --data.shuffle_
offers "folder folder.yaml" train fo
offers "" eval --worst ""
offers --worst eval --wors
offers "" audit --lr
offers doctor help "do"

if command -v zsh >/dev/null; then
  zsh -n share/zsh/site-functions/_linnet || die "zsh refuses its completion"
else
  echo "not checked: zsh is not installed"
fi
if command -v fish >/dev/null; then
  fish -n share/fish/vendor_completions.d/linnet.fish || die "fish refuses its completion"
  got=$(HOME=$PWD fish -c 'source share/fish/vendor_completions.d/linnet.fish
    complete -C "linnet train --device c"; complete -C "linnet ben"; complete -C "linnet bench allreduce --ty"' |
    cut -f 1 | paste -sd ' ')
  [ "$got" = "cpu cuda bench --type" ] || die "fish offers '$got'"
else
  echo "not checked: fish is not installed"
fi
