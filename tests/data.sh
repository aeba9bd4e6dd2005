#!/usr/bin/env bash
# Prints the folder of a test data set (clothing, photos, cifar10, bad-jpegs, odd-images), which it unpacks once; exits with 77 and
# a message if the data set is not available. Looks for $LINNET_DATA/NAME, then for an archive NAME.tar* in
# ../shared/data beside the checkout.
set -eu
name=$1
source=${LINNET_SOURCE:-$(cd "$(dirname "$0")/.." && pwd)}
cache=${LINNET_BUILD:-$source/build}/test-data
if [ -n "${LINNET_DATA:-}" ] && [ -d "$LINNET_DATA/$name" ]; then
  echo "$LINNET_DATA/$name"
  exit 0
fi
mkdir -p "$cache"
exec 9>"$cache/.lock"
flock 9
if [ ! -d "$cache/$name" ]; then
  archive=$(ls "$source/../shared/data/$name".tar* 2>/dev/null | head -n 1 || true)
  if [ -z "$archive" ]; then
    echo "skipped: no data set '$name' (set LINNET_DATA to a folder that contains $name/)" >&2
    exit 77
  fi
  rm -rf "$cache/.unpack"
  mkdir "$cache/.unpack"
  tar -xf "$archive" -C "$cache/.unpack"
  mv "$cache/.unpack/$name" "$cache/$name"
  rm -rf "$cache/.unpack"
fi
echo "$cache/$name"
