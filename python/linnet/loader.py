"""The training loader of linnet as an iterable for PyTorch and numpy."""
from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple

import numpy as np

from ._library import Closable, PathLike, Value, check, ffi, format_of, lib, options as make_options, owned, text


class Loader(Closable):
    """The batches of `linnet train`: (images, labels), one epoch per iteration.

        loader = linnet.Loader("data", batch_size=64, seed=1)
        for epoch in range(90):
            for images, labels in loader:
                ...

    The order of the images and every random draw depend on the options, the seed, the epoch and the position alone: they are
    the same with any number of threads (`workers`), and after load_state_dict in the middle of an epoch. Threads of the
    library read, decode and transform; there are no worker processes.

    path: a dataset as `linnet train` reads it, such as a folder with train/CLASS/image.jpg and val/CLASS/image.jpg, or
    WebDataset shards. train: the training split, shuffled and augmented; else the validation split. workers: the number of
    threads; None: automatic. rank, world_size: as in DistributedSampler; local_world_size: ranks of one host, for
    data.sequential and for the default of workers. config: a configuration file of linnet. options: further options by their
    full names, such as {"data.auto_augment": "trivialaugment", "data.mixup": 0.2}; they have precedence over `config`.

    output: "torch" or "numpy". dtype: "float32", normalised, or "uint8". images have the shape (n, 3, size, size);
    channels_last: their memory is NHWC, as torch.channels_last, which costs nothing. pin_memory: batches are in pinned memory,
    for transfers with non_blocking=True. indices: yields (images, labels, indices), the third being the number of each image
    in the split (image_name).

    labels are int64 (n). With data.mixup or data.cutmix they are float32 (n, classes), as of torchvision's v2.MixUp; pass them
    to CrossEntropyLoss in either case.

    close() or `with` ends the threads; so does the last reference. One object may be used by one thread at a time, and not in a
    forked child process."""

    def __init__(self, path: Optional[PathLike] = None, *, train: bool = True, batch_size: Optional[int] = None,
                 image_size: Optional[int] = None, workers: Optional[int] = None, seed: Optional[int] = None, rank: int = 0,
                 world_size: int = 1, local_world_size: Optional[int] = None, config: Optional[PathLike] = None,
                 options: Optional[Mapping[str, Value]] = None, output: str = "torch", dtype: str = "float32",
                 channels_last: bool = True, pin_memory: bool = False, indices: bool = False) -> None:
        settings: Dict[str, Any] = {"data.path": path, "data.image_size": image_size, "data.workers": workers,
                                    "trainer.seed": seed, **(options or {})}
        if batch_size is not None:
            settings["data.batch_size" if train else "data.val_batch_size"] = batch_size
        if output not in ("torch", "numpy"):
            raise ValueError("output %r: must be 'torch' or 'numpy'" % (output,))
        self._torch = _import_torch() if output == "torch" else None
        if pin_memory and self._torch is None:
            raise ValueError("pin_memory needs output='torch'")
        self._format, self._dtype, self._channels_last = format_of(dtype, channels_last), dtype, channels_last
        self._pin, self._with_indices = pin_memory, indices
        ranks = ffi.new("linnet_ranks *", {"rank": rank, "count": world_size, "per_host": local_world_size or 0})
        out = ffi.new("linnet_loader **")
        check(lib.linnet_loader_open(out, make_options(settings, config), b"train" if train else b"val", ranks))
        self._owned = owned(out[0], lib.linnet_loader_close)
        self._mixes = bool(lib.linnet_loader_mixes(self._handle))
        self._positioned = True  # the next iteration begins where the handle is
        self._iteration = 0

    def __len__(self) -> int:
        """Batches per epoch of this rank."""
        return int(lib.linnet_loader_batches(self._handle))

    def __iter__(self) -> Iterator[Tuple[Any, ...]]:
        """One epoch: the one of set_epoch or of a loaded state, else the one after the last."""
        self._iteration += 1
        iteration = self._iteration
        if not self._positioned:
            check(lib.linnet_loader_start(self._handle, self.epoch + 1, 0))
        self._positioned = False
        return self._batches(iteration)

    def _batches(self, iteration: int) -> Iterator[Tuple[Any, ...]]:
        while True:
            if iteration != self._iteration or self._positioned:
                raise RuntimeError("this iteration has ended: the loader was moved or iterated again")
            batch = self._next()
            if batch is None:
                return
            yield batch

    def _next(self) -> Optional[Tuple[Any, ...]]:
        n, side = self.batch_size, self.image_size
        shape = (n, side, side, 3) if self._channels_last else (n, 3, side, side)
        images = self._empty(shape, self._dtype)
        labels = self._empty((n, self.num_classes), "float32") if self._mixes else self._empty((n,), "int64")
        numbers = self._empty((n,), "int64") if self._with_indices else None
        n = check(lib.linnet_loader_next(
            _address("void *", images), ffi.NULL if self._mixes else _address("int64_t *", labels),
            _address("float *", labels) if self._mixes else ffi.NULL,
            ffi.NULL if numbers is None else _address("int64_t *", numbers), self._handle, self._format))
        if n == 0:
            return None
        images = images[:n]
        if self._channels_last:
            images = images.transpose(0, 3, 1, 2) if self._torch is None else images.permute(0, 3, 1, 2)
        return (images, labels[:n]) if numbers is None else (images, labels[:n], numbers[:n])

    def _empty(self, shape: Tuple[int, ...], dtype: str) -> Any:
        if self._torch is None:
            return np.empty(shape, dtype)
        return self._torch.empty(shape, dtype=getattr(self._torch, dtype), pin_memory=self._pin)

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, from its start; if a state in the middle of the same epoch was loaded, from
        there. Iterations without it are the epochs 0, 1, 2, ..."""
        if not (self._positioned and self.epoch == epoch):
            check(lib.linnet_loader_start(self._handle, epoch, 0))
            self._positioned = True

    def state_dict(self) -> Dict[str, str]:
        """The position after the batch that was yielded last; after the last batch of an epoch, the start of the next. The
        first call reads the sizes of all image files."""
        out = ffi.new("char **")
        check(lib.linnet_loader_state(out, self._handle))
        try:
            return {"linnet_loader": text(out[0])}
        finally:
            lib.linnet_free(out[0])

    def load_state_dict(self, state: Mapping[str, str]) -> None:
        """The next iteration continues from the state. The number of threads, and unless the shards are divided among hosts
        (data.sequential) that of ranks, may differ from those of the saved loader. Raises OptionError or Error if the order of
        the images would not continue: other images, or in the middle of an epoch another batch size, seed and the like."""
        if "linnet_loader" not in state:
            raise ValueError("the state is not one of a linnet.Loader: it has no 'linnet_loader'")
        check(lib.linnet_loader_restore(self._handle, state["linnet_loader"].encode("utf-8", "surrogateescape")))
        self._positioned = True

    def set_workers(self, workers: int) -> None:
        """Changes the number of threads, at any time."""
        check(lib.linnet_loader_set_workers(self._handle, workers))

    @property
    def epoch(self) -> int:
        """The epoch in progress, or the next one if the loader was just opened or moved."""
        return int(lib.linnet_loader_epoch(self._handle))

    @property
    def position(self) -> int:
        """The number of this rank's batches of the epoch that were yielded."""
        return int(lib.linnet_loader_position(self._handle))

    @property
    def batch_size(self) -> int:
        """Images per batch; the last batch may have fewer."""
        return int(lib.linnet_loader_batch_size(self._handle))

    @property
    def image_size(self) -> int:
        """The side of the images in pixels; with data.progressive_size it depends on the epoch."""
        return int(lib.linnet_loader_image_size(self._handle))

    @property
    def num_images(self) -> int:
        """Images of the split, over all ranks."""
        return int(lib.linnet_loader_images(self._handle))

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return int(lib.linnet_loader_classes(self._handle))

    @property
    def classes(self) -> List[str]:
        """The class names, in the order of the labels."""
        return [text(lib.linnet_loader_class_name(self._handle, i)) for i in range(self.num_classes)]

    @property
    def bad_images(self) -> Dict[int, str]:
        """The corrupt images that were found: index and message. In training each was replaced by the next readable image, in
        validation omitted."""
        n = lib.linnet_loader_bad_n(self._handle)
        return {int(lib.linnet_loader_bad_index(self._handle, i)): text(lib.linnet_loader_bad_message(self._handle, i))
                for i in range(n)}

    def image_name(self, index: int) -> str:
        """"CLASS/file.jpg" of an image of the split."""
        name = lib.linnet_loader_image_name(self._handle, index)
        if name == ffi.NULL:
            raise IndexError("image %d of %d" % (index, self.num_images))
        return text(name)


def _address(kind: str, memory: Any) -> Any:
    return ffi.cast(kind, memory.ctypes.data if isinstance(memory, np.ndarray) else memory.data_ptr())


def _import_torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ImportError("output='torch' needs PyTorch: install torch, or use output='numpy'") from None
    return torch
