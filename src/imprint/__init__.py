"""Imprint finds what a network already knows, and stops paying for it.

The names stand in `__init__.pyi`; each loads its module when it is first used.
"""

from importlib.metadata import version

import lazy_loader

__version__ = version("imprint")

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
