# linnet with its CUDA engine. Build: docker build -t linnet .   Run (NVIDIA Container Toolkit): docs/gpu.md
FROM nvidia/cuda:13.0.0-cudnn-devel-ubuntu24.04 AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      gcc libc6-dev cmake ninja-build pkg-config libjpeg-dev libpng-dev libwebp-dev libtiff-dev libyaml-dev \
      libjansson-dev libmd-dev libzstd-dev libcurl4-openssl-dev libcairo2-dev libcmark-gfm-dev \
      libcmark-gfm-extensions-dev libmicrohttpd-dev libdnnl-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN cmake -S /src -B /build -G Ninja -DBUILD_TESTING=OFF \
    && cmake --build /build --target linnet && strip /build/linnet \
    && mkdir /libraries \
    && ldd /build/linnet | sed -nE 's/^.* => (\/[^ ]*) .*/\1/p' | grep -vE '/lib(c|m|dl|pthread|rt)\.so' | xargs -I{} cp -L {} /libraries/

FROM nvidia/cuda:13.0.0-cudnn-runtime-ubuntu24.04
COPY --from=build /libraries /usr/local/lib/
COPY --from=build /build/linnet /usr/local/bin/linnet
COPY --from=build /src/configs /usr/local/share/linnet/configs
RUN ldconfig
WORKDIR /work
ENTRYPOINT ["linnet"]
