#!/usr/bin/env bash
# Help of every command: the same with -h, --help and `linnet help COMMAND`, a command's own options first, each of them
# explained; a row in README.md.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
: "${LINNET_SOURCE:?the source folder}"

mapfile -t commands < <("$LINNET" --help | sed -nE 's/^  ([a-z-]+) .*/\1/p')
[ "${#commands[@]}" -ge 10 ] || die "linnet --help lists ${#commands[@]} commands"
commands+=('bench train' 'bench eval' 'bench data' 'bench allreduce')
for command in "${commands[@]}"; do
  read -ra words <<<"$command"
  run 0 "$LINNET" "${words[@]}" --help
  cp out help.txt
  [ ! -s err ] || { cat err >&2; die "$command --help: output on standard error"; }
  head -n 1 help.txt | grep -qE "^usage: (mpirun -n N )?linnet $command( |\$)" || { cat help.txt >&2; die "$command: wrong first line"; }
  run 0 "$LINNET" "${words[@]}" -h
  cmp -s out help.txt || die "$command -h differs"
  run 0 "$LINNET" help "${words[@]}"
  cmp -s out help.txt || die "help $command differs"
  run 0 "$LINNET" "${words[@]}" something --json -h # -h after other arguments
  cmp -s out help.txt || die "$command something -h differs"
  [ "$(wc -L <help.txt)" -le 120 ] || die "$command --help: a line of $(wc -L <help.txt) columns"

  # every option of the command itself has a line, before the shared options
  source=$LINNET_SOURCE/src/cli/commands/cmd_$(sed -E 's/^bench (train|eval)$/bench steps/' <<<"$command" | tr ' -' __).c
  [ -e "$source" ] || die "no $source"
  sed '/^data: /,$d' help.txt >own.txt
  grep cli_take_ "$source" | grep -oE '"--[a-z0-9-]+"' | tr -d '"' | sort -u >taken || true # some commands have none
  while read -r option; do
    grep -qE "^  $option( |\$)" own.txt || { cat own.txt >&2; die "$command --help does not explain $option"; }
  done <taken
  [ -s taken ] || ! grep -q 'cli_option own' "$source" || die "no options are found in $source"
  ! grep -q 'shared = true' "$source" || says help.txt --data.batch_size
  sed -nE 's/^  (--[a-z0-9._-]+).*/\1/p' own.txt | sort >explained
  [ -z "$(uniq -d explained)" ] || die "$command --help explains twice: $(uniq -d explained)"
  [ "$command" = bench ] || grep -qE "^\| \`linnet ${command}[ \`]" "$LINNET_SOURCE/README.md" ||
    die "README.md has no row for linnet $command"
done

run 0 "$LINNET" eval --help
awk '/^  --worst/ { own = NR } /^data: / { shared = NR } END { exit !(own && shared && own < shared) }' out ||
  { cat out >&2; die "eval --help: its own options do not come first"; }
run 0 "$LINNET" help
says out 'usage: linnet COMMAND'
run 2 "$LINNET" help trian
says err "did you mean 'train'"
run 0 "$LINNET" help train extra
# a file may be called --help
run 1 "$LINNET" predict none.ckpt -- --help
says err none.ckpt
