"""The errors that Imprint raises on a user's mistake.

Each is an `ImprintError` and also the builtin that fits, so that either can be caught:

```
ImprintError
├── InvalidValueError   also ValueError          an argument, a shape, a value of the data
├── LayerError          also ValueError          a layer that is missing or cannot serve as tap
├── MissingFileError    also FileNotFoundError   data or a run that is not where it should be
├── DamagedFileError    also ValueError          a file that exists and cannot be read
├── RunExistsError      also FileExistsError     an output folder that holds another run
├── StorageError        also OSError             a disk that is full or read-only
├── DeviceError         also RuntimeError        a device or precision that is not to be had
├── MissingExtraError   also ImportError         an optional package that is not installed
└── DivergedError       also ArithmeticError     a loss that became NaN or infinite
```

Examples:
    >>> try:
    ...     raise InvalidValueError("keep: expected a share in (0, 1], got 1.5")
    ... except ValueError as error:
    ...     print(error)
    keep: expected a share in (0, 1], got 1.5
"""

__all__ = [
    "DamagedFileError",
    "DeviceError",
    "DivergedError",
    "ImprintError",
    "InvalidValueError",
    "LayerError",
    "MissingExtraError",
    "MissingFileError",
    "RunExistsError",
    "StorageError",
]


class ImprintError(Exception):
    """The parent of every error that Imprint raises on a user's mistake."""


class InvalidValueError(ImprintError, ValueError):
    """An argument, a shape or a value of the data is not what it must be."""


class LayerError(ImprintError, ValueError):
    """A layer is missing from the model or cannot serve as tap."""


class MissingFileError(ImprintError, FileNotFoundError):
    """Data or a run is not where it should be."""


class DamagedFileError(ImprintError, ValueError):
    """A file exists and cannot be read."""


class RunExistsError(ImprintError, FileExistsError):
    """An output folder holds another run."""


class StorageError(ImprintError, OSError):
    """A disk is full or read-only."""


class DeviceError(ImprintError, RuntimeError):
    """A device or a precision is asked for and not to be had."""


class MissingExtraError(ImprintError, ImportError):
    """An optional package is needed and not installed."""


class DivergedError(ImprintError, ArithmeticError):
    """A loss became NaN or infinite."""
