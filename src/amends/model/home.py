"""Where a function or a class is at home: a programme's own module goes by the name that others import it by."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

MAIN = frozenset({"__main__", "__mp_main__"})
"""What Python calls the module that is run as a programme, and `multiprocessing` its copy in another process."""


def home_of(thing: Any) -> str:
    """The name of the module in which a function or a class is defined.

    `python shop.py` and a worker that imports `shop` must mean the same by it: a run that one of them has begun is the
    other's to finish. What has no file to be imported from (a prompt, a notebook) stays at `__main__`.
    """
    name: str = thing.__module__
    return _programme() if name in MAIN else name


@lru_cache(maxsize=1)
def _programme() -> str:
    main = sys.modules.get("__main__")
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return str(file).replace("\\", "/").rpartition("/")[2].removesuffix(".py") if file else "__main__"
