"""The validation transform: decode, resize, centre crop, normalise."""
from __future__ import annotations

import os
from typing import Any, Mapping, Optional, Union

import numpy as np

from ._library import Closable, PathLike, Value, check, ffi, format_of, lib, options as make_options, owned

Image = Union[PathLike, bytes, bytearray, memoryview]


class Transform(Closable):
    """The validation transform of linnet, whose values equal those of torchvision's recipe: Resize(resize_size),
    CenterCrop(image_size), ToTensor, Normalize(mean, std).

    image_size, resize_size: pixels (224, and image_size / 0.875). interpolation: "bilinear", "bicubic" or "lanczos".
    mean, std: three numbers each, for values from 0 to 1 (ImageNet's). options: further options of group `data`, by their
    full names. config: a configuration file of linnet.

    One object may be used by one thread at a time."""

    def __init__(self, image_size: Optional[int] = None, *, resize_size: Optional[int] = None,
                 interpolation: Optional[str] = None, mean: Optional[Value] = None, std: Optional[Value] = None,
                 options: Optional[Mapping[str, Value]] = None, config: Optional[PathLike] = None) -> None:
        settings = {"data.image_size": image_size, "data.resize_size": resize_size, "data.interpolation": interpolation,
                    "data.mean": mean, "data.std": std, **(options or {})}
        out = ffi.new("linnet_transform **")
        check(lib.linnet_transform_open(out, make_options(settings, config)))
        self._owned = owned(out[0], lib.linnet_transform_close)

    @classmethod
    def _of(cls, handle: Any) -> "Transform":
        self = cls.__new__(cls)
        self._owned = owned(handle, lib.linnet_transform_close)
        return self

    @property
    def size(self) -> int:
        """The side of the output in pixels."""
        return int(lib.linnet_transform_size(self._handle))

    def __call__(self, image: Image, *, dtype: str = "float32", channels_last: bool = False) -> np.ndarray:
        """The transformed image: (3, size, size), or with channels_last (size, size, 3). dtype: "float32", normalised, or
        "uint8". image: the path of an image file, or its content as bytes."""
        side = self.size
        out = np.empty((side, side, 3) if channels_last else (3, side, side), dtype)
        self.into(image, out, dtype=dtype, channels_last=channels_last)
        return out

    def into(self, image: Image, out: np.ndarray, *, dtype: str, channels_last: bool) -> None:
        """Writes the transformed image to `out`, which must be contiguous and of the right type and size."""
        if out.nbytes != self.size ** 2 * 3 * np.dtype(dtype).itemsize or not out.flags.c_contiguous:
            raise ValueError("out: must be contiguous, with %d x %d x 3 values of %s" % (self.size, self.size, dtype))
        pixels, form = ffi.cast("void *", out.ctypes.data), format_of(dtype, channels_last)
        if isinstance(image, (bytes, bytearray, memoryview)):
            content = ffi.from_buffer(image)
            check(lib.linnet_transform_bytes(pixels, self._handle, content, len(content), ffi.NULL, form))
        else:
            check(lib.linnet_transform_file(pixels, self._handle, os.fsencode(image), form))


def transform(image: Image, *, dtype: str = "float32", channels_last: bool = False, **arguments: Any) -> np.ndarray:
    """Transforms one image. The other arguments are those of Transform."""
    return Transform(**arguments)(image, dtype=dtype, channels_last=channels_last)
