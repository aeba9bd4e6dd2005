#!/usr/bin/env bash
# A build to copy to a machine with a GPU: ./dev gpu-build [FOLDER] makes FOLDER [build/gpu]: linnet, the engine's tests,
# and the libraries they need. Without oneDNN (no cpu engine) cairo (no images in reports) and
# cmark-gfm (no report.html).
#
#   FOLDER/linnet, FOLDER/tests/*   small scripts: start the program of the same name in bin/
#   FOLDER/bin/                     the programs; they look for libraries in ../lib first
#   FOLDER/lib/                     shared libraries but those of the C library; MPI is that of the other machine
#   FOLDER/libc/                    the C library and its loader, used if those of the machine are too old
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/gpu} make=build/gpu-make
most_mib=60

cmake -S . -B $make -G Ninja -DLINNET_ONEDNN=OFF \
  -DLINNET_CAIRO=OFF -DLINNET_CMARK=OFF -DCMAKE_BUILD_RPATH="\$ORIGIN/../lib" -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags >/tmp/linnet-gpu-build.$$ ||
  { cat /tmp/linnet-gpu-build.$$ >&2; exit 1; }
grep cuda /tmp/linnet-gpu-build.$$ || true
rm -f /tmp/linnet-gpu-build.$$
mapfile -t tests < <(ninja -C $make -t targets all | sed -nE 's/^((engine|backend)_test_[a-z_]*cuda[a-z_0-9]*|engine_test_ranks): phony$/\1/p' |
  grep -v -e cuda_faults -e cuda_graphs) # these two need no GPU; each program has all kernels in it
cmake --build $make --target linnet "${tests[@]}"

new=$folder.new
rm -rf "$new"
mkdir -p "$new/bin" "$new/tests" "$new/lib/linnet" "$new/libc"
launcher() { # script, program as seen from the script's folder, the way up
  cat >"$1" <<SCRIPT
#!/bin/sh
here=\$(cd "\$(dirname "\$0")/$3" && pwd)
if "\$here/bin/linnet" --version >/dev/null 2>&1; then exec "\$here/bin/$2" "\$@"; fi
# linnet sets these and executes /proc/self/exe again, which is the loader here; engine_test_ranks uses the last
export GOMP_SPINCOUNT="\${GOMP_SPINCOUNT:-2000}" OMP_WAIT_POLICY="\${OMP_WAIT_POLICY:-passive}"
export LINNET_PROGRAM="\$(cd "\$(dirname "\$0")" && pwd)/\${0##*/}"
exec "\$here/libc/ld.so" --library-path "\$here/lib:\$here/libc\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" "\$here/bin/$2" "\$@"
SCRIPT
  chmod +x "$1"
}
strip -o "$new/bin/linnet" $make/linnet
launcher "$new/linnet" linnet .
for t in "${tests[@]}"; do
  strip -o "$new/bin/$t" "$make/tests/$t"
  launcher "$new/tests/$t" "$t" ..
done
for program in "$make/linnet" "${tests[@]/#/$make/tests/}"; do ldd "$program"; done |
  sed -nE 's/^.* => (\/[^ ]*) .*/\1/p' | sort -u | while read -r file; do
  case ${file##*/} in
    libc.so.* | libm.so.* | libpthread.so.* | libdl.so.* | librt.so.*) cp -L "$file" "$new/libc/" ;;
    *) cp -L "$file" "$new/lib/" ;;
  esac
done
[ ! -e $make/liblinnet_mpi.so ] || strip -o "$new/lib/linnet/liblinnet_mpi.so" $make/liblinnet_mpi.so
cp -L "$(readelf -p .interp $make/linnet | sed -nE 's/.* (\/[^ ]*)$/\1/p')" "$new/libc/ld.so"

# it must start without any library of this machine, with its own loader too
env -i "$new/linnet" --version >/dev/null
env -i GOMP_SPINCOUNT=2000 "$new/libc/ld.so" --inhibit-cache --library-path "$new/lib:$new/libc" "$new/bin/linnet" doctor \
  >/dev/null
mib=$(du -sm "$new" | cut -f 1)
[ "$mib" -le $most_mib ] || { echo "gpu-build: the build is $mib MiB, more than the limit of $most_mib MiB: set LINNET_CUDA_ARCHS in $make to fewer architectures" >&2; exit 1; }
rm -rf "$folder"
mv "$new" "$folder"
echo "$folder is ready ($mib MiB): copy it with the checkout to the machine with the GPU and run ./dev gpu-check there"
