"""liblinnet through cffi in ABI mode: the declarations are those of its C header."""
from __future__ import annotations

import atexit
import logging
import numbers
import os
import re
import sys
import threading
from pathlib import Path
from typing import Any, Callable, List, Mapping, Optional, Tuple, TypeVar, Union

import cffi
import numpy as np

Value = Union[str, int, float, bool, list, tuple, np.generic, np.ndarray, "os.PathLike[str]", "os.PathLike[bytes]"]
PathLike = Union[str, "os.PathLike[str]", "os.PathLike[bytes]"]

ffi = cffi.FFI()
_folder = Path(__file__).resolve().parent


class Error(Exception):
    """An error of the library. `code` is a value of linnet_status in linnet.h."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class OptionError(Error, ValueError):
    """An invalid option or argument."""


class NotFoundError(Error, FileNotFoundError):
    """A file or folder that does not exist."""


def _read_header() -> str:
    for path in (_folder / "linnet.h", _folder.parents[1] / "include" / "linnet" / "linnet.h"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ImportError("linnet.h is missing in %s: install the wheel again" % _folder)


def _declarations(header: str) -> str:
    """The header without the preprocessor, which cffi lacks."""
    header = re.sub(r"^#ifdef __cplusplus\n.*?^#endif\n", "", header, flags=re.M | re.S)
    return re.sub(r"^#.*\n", "", header, flags=re.M).replace("LINNET_API ", "")


def _open() -> Any:
    """$LINNET_LIBRARY, the library in the wheel, or an installed one."""
    bundled = _folder / "liblinnet.so.0"
    path = os.environ.get("LINNET_LIBRARY") or (str(bundled) if bundled.exists() else "liblinnet.so.0")
    try:
        return ffi.dlopen(path)
    except OSError as error:
        raise ImportError("%s. The library needs system libraries (libjpeg, libpng, libwebp, libtiff, libyaml, jansson, "
                          "libzstd, libcurl, oneDNN); docs/library.md of linnet lists their packages" % error) from None


_header = _read_header()
ffi.cdef(_declarations(_header))
lib = _open()
_api = int(re.search(r"#define LINNET_API_VERSION (\d+)", _header).group(1))  # type: ignore[union-attr]
if lib.linnet_api_version() < _api:
    raise ImportError("liblinnet has API version %d, but this package needs %d: install a newer linnet"
                      % (lib.linnet_api_version(), _api))

_ERRORS = {lib.LINNET_E_OPTION: OptionError, lib.LINNET_E_NOTFOUND: NotFoundError}
_log = logging.getLogger("linnet")


def _pass_on(context: Any, level: int, line: Any) -> None:
    _log.log((logging.DEBUG, logging.INFO, logging.WARNING)[level], "%s", text(line))


_receive = ffi.callback("linnet_log_function", _pass_on)
_pending: List[Tuple[int, Callable[[Any], None], Any]] = []  # process, close function and handle


def _in_log() -> bool:
    """Whether the library holds the lock of its log in this thread: it runs _pass_on, or enters it."""
    frame = sys._getframe(1).f_back  # the caller of a finaliser
    if frame is None:  # no Python code: a thread of the library, unless the interpreter ends
        return threading.get_ident() != threading.main_thread().ident
    while frame is not None:
        if frame.f_code is _pass_on.__code__:
            return True
        frame = frame.f_back
    return False


def _close_pending() -> None:
    """Closes the handles whose finaliser ran in _pass_on."""
    if _in_log():
        return
    while _pending:
        try:
            pid, close, pointer = _pending.pop()
        except IndexError:  # another thread has closed the last one
            return
        if os.getpid() == pid:
            close(pointer)


lib.linnet_set_log(_receive, ffi.NULL)
atexit.register(lib.linnet_set_log, ffi.NULL, ffi.NULL)


def version() -> str:
    """The release of the library, such as "0.1.0"."""
    return text(lib.linnet_version())


def api_version() -> int:
    """LINNET_API_VERSION of the library."""
    return int(lib.linnet_api_version())


def text(pointer: Any) -> str:
    """A text of the library; bytes that are not UTF-8 become surrogates, as in os.fsdecode."""
    return ffi.string(pointer).decode("utf-8", "surrogateescape")


def check(code: int) -> int:
    """Raises the error of a negative code. Returns other values."""
    if code >= 0:
        if _pending:
            _close_pending()
        return code
    message = text(lib.linnet_error())
    if code == lib.LINNET_E_NOMEM:
        raise MemoryError(message)
    raise _ERRORS.get(code, Error)(message, code)


def owned(pointer: Any, close: Callable[[Any], None]) -> Any:
    """A handle that is closed with its last reference, but not in a forked child, which lacks the threads of its parent. The
    garbage collector may run while the library passes on a line of its log: closing a loader there would wait for threads
    that wait for the log, so a later call closes the handle."""
    pid = os.getpid()

    def release(p: Any) -> None:
        if os.getpid() != pid:
            return
        if _in_log():
            _pending.append((pid, close, p))
        else:
            close(p)

    return ffi.gc(pointer, release)


_Self = TypeVar("_Self", bound="Closable")


class Closable:
    """An object with a handle of the library, for use in `with`."""

    _owned: Any = None

    @property
    def _handle(self) -> Any:
        if self._owned is None:
            raise ValueError("this %s is closed" % type(self).__name__)
        return self._owned

    def close(self) -> None:
        """Ends the threads and releases the memory. Nothing else may be called afterwards. Without it, this happens with the
        last reference."""
        handle, self._owned = self._owned, None
        if handle is not None:
            ffi.release(handle)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()


def option_text(value: Any) -> str:
    """The value of an option as the command line has it. Raises TypeError for other types."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0):
        return ",".join(option_text(v) for v in value)
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return repr(float(value)) if isinstance(value, numbers.Real) else os.fsdecode(value)


def _option_bytes(name: str, value: Any) -> bytes:
    try:
        return os.fsencode(option_text(value))
    except TypeError:
        raise TypeError("option %s: a value of type %s; must be a text, path, number or bool, or a list of them"
                        % (name, type(value).__name__)) from None


def options(settings: Mapping[str, Optional[Value]], config: Optional[PathLike] = None) -> Any:
    """A handle of options: those of the configuration file, then the settings. None: not set."""
    out = ffi.new("linnet_options **")
    check(lib.linnet_options_create(out))
    handle = owned(out[0], lib.linnet_options_destroy)
    if config is not None:
        check(lib.linnet_options_read(handle, os.fsencode(config)))
    for name, value in settings.items():
        if value is not None:
            check(lib.linnet_options_set(handle, name.encode(), _option_bytes(name, value)))
    return handle


def format_of(dtype: str, channels_last: bool) -> int:
    """The linnet_format of a data type and a memory layout."""
    if dtype not in ("float32", "uint8"):
        raise OptionError("dtype %r: must be 'float32' (normalised) or 'uint8'" % (dtype,), lib.LINNET_E_OPTION)
    return int((lib.LINNET_FLOAT_NHWC if channels_last else lib.LINNET_FLOAT_NCHW) if dtype == "float32"
               else lib.LINNET_UINT8_NHWC if channels_last else lib.LINNET_UINT8_NCHW)
