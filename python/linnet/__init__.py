"""The training loader, the validation transform and the predictions of linnet.

    loader = linnet.Loader("data", batch_size=64, seed=1)         # an iterable of (images, labels)
    model = linnet.Model("last.ckpt")                             # model.predict("image.jpg")
    pixels = linnet.transform("image.jpg", image_size=224)        # numpy, (3, 224, 224)

Warnings of the library go to the logger "linnet" of the module logging."""
from ._library import Error, NotFoundError, OptionError, api_version, version
from .loader import Loader
from .model import Model, Prediction
from .transform import Transform, transform

__version__ = version()
__all__ = ["Error", "Loader", "Model", "NotFoundError", "OptionError", "Prediction", "Transform", "api_version", "transform",
           "version"]
