#!/usr/bin/env bash
# The examples, built with make and with CMake against an installed prefix: what they print is what `linnet predict` and
# `linnet preview` print. The header compiles as C and C++ with warnings as errors; the library exports linnet_* only, and
# all that the header declares.
# shellcheck source=../cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"
: "${LINNET_SOURCE:?the folder of the source}"
build=$(dirname "$LINNET")
for tool in cmake cc make pkg-config nm; do
  command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
run 0 cmake --install "$build" --prefix "$work/a prefix"
mv "a prefix" prefix # the prefix may be moved
lib=$(dirname "$(dirname "$(find "$work/prefix" -name linnet.pc)")")
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib

sanitize=$(sed -n 's/^LINNET_SANITIZE:[A-Z]*=//p' "$build/CMakeCache.txt")
sanitize=${sanitize:+-fsanitize=$sanitize}

# the library
[ "$(readelf -d "$lib/liblinnet.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')" = liblinnet.so.0 ] || die "SONAME"
nm -D --defined-only "$lib/liblinnet.so" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort >exported
sed -nE '/^LINNET_API /s/.*[ *](linnet_[a-z_]+)\(.*/\1/p' prefix/include/linnet/linnet.h | sort >declared
[ "$(wc -l <declared)" -gt 40 ] || die "declared: $(cat declared)"
diff declared exported || die "the library does not export what the header declares"

# the header, alone
cflags=$(pkg-config --cflags linnet)
echo '#include <linnet/linnet.h>' >alone.c
for std in c99 c11 c17; do
  # shellcheck disable=SC2086
  run 0 cc -std=$std -Wall -Wextra -Wpedantic -Wstrict-prototypes -Wconversion -Werror $cflags -fsyntax-only alone.c
done
if command -v c++ >/dev/null; then
  cat >alone.cpp <<'CPP'
#include <linnet/linnet.h>
int main() { return linnet_api_version() == LINNET_API_VERSION && linnet_version()[0] != 0 ? 0 : 1; }
CPP
  # shellcheck disable=SC2046,SC2086
  run 0 c++ -std=c++17 -Wall -Wextra -Wpedantic -Wold-style-cast -Werror $sanitize $cflags alone.cpp \
    $(pkg-config --libs linnet) -o alone
  run 0 ./alone
else
  echo "the header was not compiled as C++: no c++"
fi

# the examples
cp -r prefix/share/doc/linnet/examples examples
flags="-Wall -Wextra -Wpedantic -Werror $sanitize"
run 0 make -C examples CFLAGS="$flags" LDFLAGS="$sanitize"
run 0 env -u PKG_CONFIG_PATH cmake -S examples -B examples/build -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_C_FLAGS="$flags"
run 0 cmake --build examples/build
tiny
run 0 "$LINNET" train "${small[@]}" --out run --max-epochs 1
ckpt=$(find run -name last.ckpt)
image=$(find data/val -name '*.jpg' | sort | sed -n 3p)
"$LINNET" predict "$ckpt" "$image" --csv --top 5 | awk -F, 'NR > 1 { print $4 "," $3 "," $5 }' >wanted
for folder in examples examples/build; do
  run 0 $folder/predict "$ckpt" "$image"
  diff out wanted || die "$folder/predict"
  says err "resnet20 with 10 classes, 32 pixels"
done
run 1 examples/predict "$ckpt" nothing.jpg
says err "predict: cannot open nothing.jpg"
run 1 examples/predict nothing.ckpt "$image"
says err "nothing.ckpt"
run 1 examples/predict "$image" "$image"
says err "$image"

# the first image of each batch, as the preview lists them
run 0 "$LINNET" preview data --images 80 --image-size 32
awk '$1 % 16 == 0 { printf "batch %d: 16 images, the first is %s, class %s\n", $1 / 16, $3, $2 }' <(grep -E '^ *[0-9]+ ' out) >wanted
for folder in examples examples/build; do
  run 0 $folder/batches data data.batch_size 16 data.image_size 32 data.workers 3
  diff out wanted || die "$folder/batches"
done
run 1 examples/batches data data.batch_sice 16
says err "data.batch_size"
run 1 examples/batches nowhere
says err "nowhere"
