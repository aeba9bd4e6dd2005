#!/usr/bin/env bash
# tools/check_links.sh [ROOT]: every relative link of a Markdown file in ROOT must be that of a file, and its #part
# that of a heading;
# every path in backquotes that begins with a folder of the tree (`src/base/status.h`) must exist.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
bad=0 links=0

anchors() { # the #parts of a Markdown file, as GitHub makes them
  sed '/^```/,/^```/d' "$1" | sed -nE 's/^#+ +(.*)$/\1/p' | tr '[:upper:]' '[:lower:]' |
    sed -E 's/\[([^]]*)\]\([^)]*\)/\1/g; s/[^[:alnum:] _-]//g; s/ /-/g'
}

while IFS=: read -r file line link; do
  link=${link#*](} link=${link%)}
  case "$link" in http://* | https://* | mailto:*) continue ;; esac
  links=$((links + 1))
  path=${link%%#*} part=
  [ "$link" = "$path" ] || part=${link#*#}
  target=$file
  [ -z "$path" ] || target=$(dirname "$file")/$path
  if [ ! -e "$target" ]; then
    echo "$file:$line: no $path"
    bad=1
  elif [ -n "$part" ] && [ "${target##*.}" = md ] && ! anchors "$target" | grep -qxF "$part"; then
    echo "$file:$line: no heading #$part in $target"
    bad=1
  fi
done < <(find . -name '*.md' -not -path './build/*' -not -path './.*' -not -path './demo/*' -exec grep -noHE '\]\([^) ]+\)' {} +)

while IFS=: read -r file line path; do
  compgen -G "${path//\`/}" >/dev/null || { echo "$file:$line: no $path"; bad=1; }
done < <(find . -name '*.md' -not -path './build/*' -not -path './.*' -not -path './demo/*' \
  -exec grep -noHE '`(src/[a-z0-9_/*.-]+|(tests|tools|docs|configs|fuzz|bench)/[a-z0-9_/*-]+\.[a-z.]+)`' {} +)

[ $links -gt 0 ] || { echo "no links found"; bad=1; }
[ $bad = 0 ] && echo "links: ok ($links)"
exit $bad
