#!/usr/bin/env bash
# The check of the documentation's links finds a missing file and a missing heading, and no others.
set -u
root=${LINNET_SOURCE:-$(cd "$(dirname "$0")/../.." && pwd)}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
die() { echo "$*" >&2; exit 1; }

"$root/tools/check_links.sh" >"$dir/out" || die "the tree has broken links: $(cat "$dir/out")"

mkdir "$dir/docs"
printf '# The page\n\n[a](docs/b.md), [b](docs/b.md#two-words), [c](#the-page), [d](https://example.org/no)\n' >"$dir/a.md"
printf '## Two words\n\n[back](../a.md) and [here](b.md)\n' >"$dir/docs/b.md"
"$root/tools/check_links.sh" "$dir" >"$dir/out" || die "valid links are refused: $(cat "$dir/out")"

for link in docs/c.md docs/b.md#three b.md '#none'; do
  printf '[wrong](%s)\n' "$link" >"$dir/wrong.md"
  "$root/tools/check_links.sh" "$dir" >"$dir/out" && die "$link is accepted"
  grep -q '^\./wrong.md:1: no ' "$dir/out" || die "$link: the message does not contain the line: $(cat "$dir/out")"
done
printf 'the file `docs/gone.md`\n' >"$dir/wrong.md"
"$root/tools/check_links.sh" "$dir" >"$dir/out" && die "a path that does not exist is accepted"
grep -q '^\./wrong.md:1: no `docs/gone.md`' "$dir/out" || die "the message does not contain the path: $(cat "$dir/out")"
exit 0
