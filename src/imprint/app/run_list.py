"""The runs in a folder: what each is of, and whether it is still going."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from imprint.app.named_folders import NamedFolders
from imprint.data import spelled
from imprint.errors import DamagedFileError, ImprintError
from imprint.runs import read_json
from imprint.training import runs_foreign_code
from imprint.training.sign_of_life import PROGRESS

__all__ = ["ListedRun", "State", "list_runs", "state_of"]

State = Literal["done", "running", "silent"]

SILENT = 60.0
"""Seconds without a sign of life after which a run is not said to be running."""

MOST = 500
"""Runs that are listed, the newest."""

FILES = ("result.json", PROGRESS, "config.json")


class ListedRun(NamedTuple):
    """A run in the folder.

    Attributes:
        name: of its folder.
        command: that made it, such as `train`; `same-track` of a run that learns without labels.
        about: what it is of, in a few words.
        data: that it is on, as it was named.
        state: `done`, `running`, or `silent` where neither is to be seen.
        code: the network's name where it is code of the user's own; empty for a built-in one.
        changed: when it last changed, in seconds since 1970.
    """

    name: str
    command: str
    about: str
    data: str
    state: State
    code: str
    changed: float

    @property
    def title(self) -> str:
        """The name with what one wants to know before choosing it."""
        note = {"done": "", "running": "running, ", "silent": "unfinished, "}[self.state]
        code = "code of its own, " if self.code else ""
        return spelled(f"{self.name} ({note}{code}{self.about})")


def list_runs(folders: NamedFolders, *commands: str) -> list[ListedRun]:
    """List the runs in the folder of runs.

    Args:
        folders: that were named.
        commands: by which they were made; none lists all.

    Returns:
        The runs, the newest first; what is no run, or leads out of the folder, is left out.

    Examples:
        >>> list_runs(NamedFolders(Path("nowhere")), "train")
        []
    """
    found = [run for name in _names(folders.runs) if (run := _listed(folders, name)) is not None]
    chosen = [run for run in found if not commands or run.command in commands]
    return sorted(chosen, key=lambda run: (-run.changed, run.name))[:MOST]


def _names(root: Path) -> list[str]:
    """What lies in the folder, but for names that are no text, which no page can show."""
    try:
        names = [path.name for path in root.iterdir()]
    except OSError:  # not there yet, or gone just now
        return []
    return [name for name in names if _is_text(name)]


def _is_text(name: str) -> bool:
    return name == spelled(name)


def _listed(folders: NamedFolders, name: str) -> ListedRun | None:
    try:
        folder = folders.run(name)
        config = read_json(folder / "config.json")
        changed = max(_time(folder / file) for file in FILES)
        command = str(config.get("task") or config.get("command", ""))
        data = str(config.get("data", ""))
        return ListedRun(
            name, command, _about(config), data, state_of(folder), _code(folder), changed
        )
    except (ImprintError, OSError):
        return None


def state_of(folder: Path, *, now: float | None = None) -> State:
    """Tell whether a run is done, or still going.

    Args:
        folder: of the run.
        now: seconds since 1970; None asks the clock.

    Returns:
        `done` with a result; `running` where it gave a sign of life in the last minute.

    Examples:
        >>> state_of(Path("nowhere"))
        'silent'
    """
    if (folder / "result.json").is_file():
        return "done"
    last = max(_time(folder / PROGRESS), _time(folder / "config.json"))
    return "running" if (time.time() if now is None else now) - last < SILENT else "silent"


def _code(folder: Path) -> str:
    """Whose code its network is, where it has one."""
    has = (folder / "model.safetensors").is_file()
    try:
        return (runs_foreign_code(folder) or "") if has else ""
    except DamagedFileError:  # its curves can be seen; where its network is wanted, it is told
        return ""


def _about(config: Mapping[str, Any]) -> str:
    """Network and data, as far as a run has them."""
    named = [config.get(key) for key in ("model", "data", "run")]
    words = [Path(str(word)).name for word in named if isinstance(word, str) and word]
    return " on ".join(words[:2]) or str(config.get("command", "a run"))


def _time(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() else 0.0
