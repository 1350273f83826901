"""An exported network run by onnxruntime: rows that an exit is sure of do not go on."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imprint.answering.onnx_packages import onnx_package
from imprint.early_exit import END, FIRST, DriftMonitor, margins
from imprint.errors import DamagedFileError, InvalidValueError
from imprint.runs import read_json, read_tensors

__all__ = ["REFERENCE", "ExportedNetwork"]

REFERENCE = "reference.safetensors"
"""The file of what a monitor compares with."""

Floats = NDArray[np.float32]


class ExportedNetwork:
    """A network with exits, as `export_exits` wrote it.

    Attributes:
        shape: channels, height and width of its images.
        class_names: of its logits, in order.
        places: the exits' layers, then `end`.
        reference: `(2, M)`, what the first exit says of calibration's samples; None where the exits
            had none.

    Examples:
        >>> ExportedNetwork.load(Path("nowhere"))
        Traceback (most recent call last):
        imprint.errors.MissingFileError: expected a file nowhere/exits.json, found none
    """

    def __init__(
        self, about: dict[str, Any], segments: list[Any], reference: Tensor | None = None
    ) -> None:
        self.shape: tuple[int, int, int] = tuple(about["shape"])
        self.class_names = tuple(about["classes"])
        self.places = (*about["layers"], END)
        self._thresholds = [float(own) for own in about["thresholds"]]
        mean, std = (np.asarray(about[name], np.float32) for name in ("mean", "std"))
        self._mean, self._std = mean[:, None, None], std[:, None, None]
        self._segments = segments
        self.reference = reference

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0) -> Self:
        """Load what `export_exits` wrote.

        Args:
            folder: of the export.
            threads: that a segment runs on; 0 leaves it to onnxruntime.

        Returns:
            The network.

        Raises:
            MissingExtraError: without `imprint[onnx]`.
            MissingFileError: where a file is missing.
            DamagedFileError: where one holds something else.
        """
        about = read_json(folder / "exits.json")
        _check(about, folder / "exits.json")
        runtime = onnx_package("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            if about["layers"]:  # threads of a segment that wait must not keep the next one's busy
                options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            segments = [
                runtime.InferenceSession(folder / f"segment_{number}.onnx", options)
                for number in range(len(about["layers"]) + 1)
            ]
            classes = segments[-1].get_outputs()[-1].shape[-1]
            if len(about["classes"]) != classes:
                raise ValueError(f"{classes} logits, of {len(about['classes'])} classes")
            return cls(about, segments, _reference(folder / REFERENCE))
        except Exception as error:  # onnxruntime has errors of its own for each case
            reason = " ".join(str(error).split())[:300]
            raise DamagedFileError(f"{folder}: expected an exported network, {reason}") from error

    def monitor(self, *, false_alarms: float = 0.01) -> DriftMonitor:
        """Make what tells whether data have moved since calibration, as `EarlyExit.monitor`.

        Args:
            false_alarms: chance of one in 10,000 samples, at most.

        Returns:
            The monitor; one serves for one stream of data.

        Raises:
            InvalidValueError: where there is nothing to compare with.
        """
        if self.reference is None:
            raise InvalidValueError(
                f"monitor: expected an export with {REFERENCE}, got one without; export it anew, "
                "with exits that were calibrated"
            )
        return DriftMonitor(self.reference, false_alarms=false_alarms)

    def answer(
        self, pixels: NDArray[np.uint8], monitor: DriftMonitor | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Answer images.

        Args:
            pixels: `(N, C, H, W)`, uint8.
            monitor: watches for data that have moved; then no exit answers any more.

        Returns:
            logits `(N, K)`, and the number of each row's exit `(N,)`, that of all exits for the
            end.

        Raises:
            InvalidValueError: for images of another shape or type.
        """
        if pixels.shape[1:] != self.shape or pixels.dtype != np.uint8:
            got = f"{pixels.shape} of {pixels.dtype}"
            raise InvalidValueError(f"pixels: expected (N, *{self.shape}) of uint8, got {got}")
        values = (pixels.astype(np.float32) / 255 - self._mean) / self._std
        logits = np.empty((len(pixels), len(self.class_names)), np.float32)
        taken = np.full(len(pixels), len(self._thresholds))
        rows = np.arange(len(pixels))
        closed = monitor is not None and monitor.alarmed
        for number, segment in enumerate(self._segments):
            if closed and self.places[number] == FIRST:
                continue
            if not len(rows):
                break
            *maps, own = segment.run(None, {segment.get_inputs()[0].name: values})
            logits[rows] = own
            if maps:
                sure = margins(torch.from_numpy(own)).numpy() >= self._thresholds[number]
                if monitor is not None:
                    closed = closed or monitor.watch_exit(number, torch.from_numpy(own))
                sure &= not closed
                taken[rows[sure]] = number
                rows, values = rows[~sure], maps[0][~sure]
        return logits, taken


NOTED: dict[str, tuple[type, ...]] = {
    "shape": (int,),
    "classes": (str,),
    "mean": (int, float),
    "std": (int, float),
    "layers": (str,),
    "thresholds": (int, float),
}
"""What `exits.json` holds lists of."""


def _check(about: Any, path: Path) -> None:
    """Check that `exits.json` holds what `export_exits` writes into it."""
    noted = about if isinstance(about, dict) else {}
    for name, kinds in NOTED.items():
        own = noted.get(name)
        if not isinstance(own, list) or not all(isinstance(value, kinds) for value in own):
            what = f"a list `{name}` of {kinds[-1].__name__}"
            raise DamagedFileError(f"{path}: expected {what}, got {str(own)[:100]}")
    channels, exits = noted["shape"][:1], len(noted["layers"])
    lengths = {"shape": 3, "thresholds": exits, "mean": sum(channels), "std": sum(channels)}
    for name, count in lengths.items():
        if len(noted[name]) != count:
            raise DamagedFileError(f"{path}: expected {count} `{name}`, got {len(noted[name])}")


def _reference(path: Path) -> Tensor | None:
    if not path.is_file():
        return None
    own = read_tensors(path)[0].get("reference", torch.empty(0))
    if own.ndim != 2 or len(own) != 2:
        got = tuple(own.shape)
        raise ValueError(f"{path.name}: expected a tensor `reference` (2, M), got {got}")
    return own
