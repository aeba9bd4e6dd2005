#!/usr/bin/env bash
# tools/check_includes.sh [ROOT]: checks the includes between the folders of ROOT/src, and the size of folders and
# files.
# A folder may include from itself and from those listed after it; includes are written "folder/file.h", relative to src.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
most_files=25 most_lines=450

# lowest first; subfolders are listed separately
may=(
  "base:"
  "config: base"
  "image: base"
  "net: base"
  "dataset/transfer: net base"
  "dataset: dataset/transfer base"
  "dataset/splits: dataset base"
  "loader: dataset image base"
  "model: base"
  "distributed: base"
  "telemetry: base"
  "logging: base"
  "tracking: net base"
  "report/plot: base"
  "report: report/plot image base"
  "checkpoint: base"
  "evaluation: report/plot loader dataset dataset/splits image distributed base"
  "backend: loader model distributed base"
  "backend/ref: backend model base"
  "backend/cpu/simd: model base"
  "backend/cpu/algo: backend/cpu/simd backend model base"
  "backend/cpu: backend/cpu/algo backend/cpu/simd backend model distributed base"
  "backend/cuda/kernels:"
  "backend/cuda: backend/cuda/kernels backend model distributed base"
  "engine: backend loader model distributed telemetry base"
  "training: engine evaluation checkpoint logging distributed model loader dataset dataset/splits image config base"
  "training/run: training engine evaluation checkpoint report report/plot tracking logging telemetry distributed model
    loader dataset dataset/splits image config base"
  "export: training checkpoint model config base"
  "tools: training engine checkpoint telemetry distributed model loader dataset dataset/splits image config base"
  "library: tools training engine checkpoint distributed loader dataset dataset/splits image config base"
  "cli: tools export training/run training engine evaluation checkpoint report report/plot logging telemetry distributed
    model loader dataset dataset/splits image config base"
  "cli/commands: cli tools export training/run training engine evaluation checkpoint report report/plot tracking logging
    telemetry distributed model loader dataset dataset/splits net image config base"
)
# files that are longer than most_lines: they should be split, and none should be added
longer=()

bad=0
say() { echo "$*"; bad=1; }

declare -A allowed
for line in "${may[@]}"; do
  read -r -d '' -a words <<<"${line#*:}"
  allowed[${line%%:*}]=" ${words[*]} "
done

edges=
while IFS=: read -r file line text; do
  from=${file#src/} from=${from%/*}
  path=${text#*\"} path=${path%%\"*}
  to=${path%/*}
  if [ -z "${allowed[$from]+known}" ]; then
    say "$file: src/$from is not in the order of folders (tools/check_includes.sh)"
  elif [ "$to" = "$path" ]; then
    say "$file:$line: \"$path\" without its folder"
  elif [ "$from" != "$to" ]; then
    edges+="$to $from"$'\n'
    case "${allowed[$from]}" in
      *" $to "*) ;;
      *) say "$file:$line: src/$from may not include from '$to' (allowed:${allowed[$from]% })" ;;
    esac
  fi
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' src --include='*.c' --include='*.h' --include='*.cu' \
  --include='*.cuh')

circle=$(LC_ALL=C tsort <<<"$edges" 2>&1 >/dev/null | sed -nE 's/^tsort: ([^:]*)$/\1/p' | paste -sd ' ')
[ -z "$circle" ] || say "folders that include each other in a circle: $circle"

while read -r n folder; do
  [ "$n" -le $most_files ] || say "$folder: $n .c files, at most $most_files"
done < <(find src -name '*.c' -printf '%h\n' | sort | uniq -c)

while read -r n file; do
  case " ${longer[*]} " in
    *" $file "*) [ "$n" -gt $most_lines ] || say "$file: $n lines: remove it from the list of longer files" ;;
    *) [ "$n" -le $most_lines ] || say "$file: $n lines, at most $most_lines" ;;
  esac
done < <(find src -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -exec grep -c '' {} + |
  sed -E 's/^(.*):([0-9]+)$/\2 \1/')

[ $bad = 0 ] && echo "include order: ok"
exit $bad
