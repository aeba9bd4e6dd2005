"""Predictions of a checkpoint."""
from __future__ import annotations

import os
from typing import List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ._library import Closable, PathLike, Value, check, ffi, lib, options as make_options, owned, text
from .transform import Image, Transform


class Prediction(NamedTuple):
    """A class and its probability. name: None if the checkpoint has no class names."""
    label: int
    name: Optional[str]
    probability: float


class Model(Closable):
    """A checkpoint of linnet, Lightning, torchvision or timm, or a safetensors file: what `linnet predict` reads.

    device: "auto", "cpu", "cuda". precision: "auto", "32-true", "bf16-mixed", "16-mixed". threads: of the CPU; None: all
    cores. options: further options by their full names, such as {"data.image_size": 288}.

    One object may be used by one thread at a time; on "cuda" only by the thread that opened it, which also calls close(), and a
    process uses one GPU. A forked child whose parent has opened a model cannot open one: with multiprocessing, use the start
    method "spawn"."""

    def __init__(self, path: PathLike, *, device: Optional[str] = None, precision: Optional[str] = None,
                 threads: Optional[int] = None, options: Optional[Mapping[str, Value]] = None) -> None:
        settings = {"trainer.device": device, "trainer.precision": precision, "trainer.threads": threads, **(options or {})}
        out = ffi.new("linnet_model **")
        check(lib.linnet_model_open(out, os.fsencode(path), make_options(settings)))
        self._owned = owned(out[0], lib.linnet_model_close)
        out = ffi.new("linnet_transform **")
        check(lib.linnet_model_transform(out, self._handle))
        self.transform: Transform = Transform._of(out[0])  #: the transform of the model's inputs

    @property
    def arch(self) -> str:
        """The architecture, such as "resnet50"."""
        return text(lib.linnet_model_arch(self._handle))

    @property
    def device(self) -> str:
        """Device, library and threads in words."""
        return text(lib.linnet_model_device(self._handle))

    @property
    def precision(self) -> str:
        """"32-true", "bf16-mixed" or "16-mixed"."""
        return text(lib.linnet_model_precision(self._handle))

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return int(lib.linnet_model_classes(self._handle))

    @property
    def classes(self) -> Optional[List[str]]:
        """The class names; None: the checkpoint has none."""
        names = [self._name(i) for i in range(self.num_classes)]
        return None if None in names else names  # type: ignore[return-value]

    @property
    def image_size(self) -> int:
        """The side of the input in pixels."""
        return int(lib.linnet_model_image_size(self._handle))

    @property
    def normalisation(self) -> Tuple[Tuple[float, ...], Tuple[float, ...]]:
        """Mean and standard deviation of the inputs, three numbers each."""
        mean, std = ffi.new("double[3]"), ffi.new("double[3]")
        lib.linnet_model_normalisation(mean, std, self._handle)
        return tuple(mean), tuple(std)

    def logits(self, images: Union[Image, Sequence[Image], np.ndarray], *, batch_size: int = 32) -> np.ndarray:
        """The logits, float32 (n, classes), or (classes) for one image. images: paths, contents of image files, or an array
        of transformed pixels, uint8 (n, image_size, image_size, 3)."""
        if isinstance(images, np.ndarray):
            return self._logits(self._checked(images), batch_size)
        if isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike)):
            return self._logits(self._pixels([images]), 1)[0]
        parts = [self._logits(self._pixels(images[i:i + batch_size]), batch_size) for i in range(0, len(images), batch_size)]
        return np.concatenate(parts) if parts else np.empty((0, self.num_classes), np.float32)

    def predict(self, images: Union[Image, Sequence[Image], np.ndarray], *, top: int = 5,
                batch_size: int = 32) -> Union[List[Prediction], List[List[Prediction]]]:
        """The `top` (at most 100) most probable classes, most probable first: a list for one image, else a list of lists."""
        logits = self.logits(images, batch_size=batch_size)
        return self._top(logits, top) if logits.ndim == 1 else [self._top(row, top) for row in logits]

    def _name(self, label: int) -> Optional[str]:
        name = lib.linnet_model_class_name(self._handle, label)
        return None if name == ffi.NULL else text(name)

    def _checked(self, pixels: np.ndarray) -> np.ndarray:
        side = self.image_size
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (side, side, 3):
            raise ValueError("images: an array must be uint8 of shape (n, %d, %d, 3), not %s of %s; use model.transform(image, "
                             "dtype='uint8', channels_last=True)" % (side, side, pixels.dtype, pixels.shape))
        return np.ascontiguousarray(pixels)

    def _pixels(self, images: Sequence[Image]) -> np.ndarray:
        out = np.empty((len(images), self.image_size, self.image_size, 3), np.uint8)
        for image, pixels in zip(images, out):
            self.transform.into(image, pixels, dtype="uint8", channels_last=True)
        return out

    def _logits(self, pixels: np.ndarray, batch_size: int) -> np.ndarray:
        out = np.empty((len(pixels), self.num_classes), np.float32)
        for i in range(0, len(pixels), batch_size):
            part = pixels[i:i + batch_size]
            check(lib.linnet_model_predict(ffi.cast("float *", out[i:].ctypes.data), self._handle,
                                           ffi.cast("uint8_t *", part.ctypes.data), len(part)))
        return out

    def _top(self, logits: np.ndarray, top: int) -> List[Prediction]:
        label, probability = ffi.new("int[]", max(top, 1)), ffi.new("double[]", max(top, 1))
        n = check(lib.linnet_model_top(label, probability, self._handle, ffi.cast("float *", logits.ctypes.data), top))
        return [Prediction(label[i], self._name(label[i]), probability[i]) for i in range(n)]
