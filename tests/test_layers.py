"""The floors of the house: a module imports lower floors only. Imports are read, not run."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "imprint"

FLOORS = (
    {"errors", "types"},
    {
        *("signatures", "similarity", "spectrograms", "outputs", "ranks", "runs", "stages"),
        *("intervals", "whole_batches", "hashes", "sound_statistics", "sound_augmentation"),
        *("whitening", "allocator", "counts", "shares"),
    },
    {"memory", "taps", "data", "models"},
    {"skipping", "early_exit", "exploring", "seeing", "on_maps", "robustness", "searching"},
    {"training", "report", "callbacks"},
    {
        "benchmarking",
        "exploration",
        "sight",
        "attacking",
        "answering",
        "reproduce",
        "app",
        "finding",
    },
    {"cli"},
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
"""The rooms: the modules and packages that stand directly under `imprint`."""

SIBLINGS = {("types", "errors")}
"""The one pair on the same floor of which the first may import the second."""

HEAVY = {
    *("lightning", "plotly", "jinja2", "PIL", "pyarrow", "pooch", "typer", "rich"),
    *("kornia", "scipy", "sklearn", "transformers", "accelerate", "captum", "matplotlib"),
    *("faiss", "openTSNE", "cleanlab", "onnx", "onnxruntime", "onnxscript", "lancedb"),
    *("librosa", "soundfile", "soxr", "pytorch_metric_learning"),
    *("gradio", "fastapi", "uvicorn"),
}
"""What is imported where it is used, so that `import imprint` stays quick."""

EXEMPT = {"cli", "callbacks"}
"""Rooms that nothing else imports: the commands, and one module for each framework."""


def room_of(path: Path, source: Path) -> str:
    """Name the room that a file belongs to; `__init__` for the package's own."""
    return path.relative_to(source).parts[0].removesuffix(".py")


def imports(path: Path, source: Path) -> Iterator[tuple[str, bool]]:
    """Give each import's absolute dotted name, and whether it loads with the file."""
    tree = ast.parse(path.read_text())
    delayed = {id(node) for block in _delayed_blocks(tree) for node in ast.walk(block)}
    package = ["imprint", *path.relative_to(source).parts[:-1]]
    for node in ast.walk(tree):
        for name in _imported_names(node, package):
            yield name, id(node) not in delayed


def _delayed_blocks(tree: ast.Module) -> Iterator[ast.AST]:
    """The parts of a file that do not run when it is imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from node.body


def _imported_names(node: ast.AST, package: list[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    start = package[: len(package) - node.level + 1] if node.level else []
    module = ".".join([*start, *([node.module] if node.module else [])])
    return [f"{module}.{alias.name}" for alias in node.names]


def rooms_imported(path: Path, source: Path) -> set[str]:
    """Give the rooms that a file imports, delayed or not, other than its own."""
    names = [name.split(".") for name, _ in imports(path, source)]
    rooms = {parts[1] if parts[1:] else "__init__" for parts in names if parts[0] == "imprint"}
    return rooms - {room_of(path, source)}


def breaches(path: Path, source: Path = SOURCE) -> list[str]:
    """List what a file imports though it may not."""
    room = room_of(path, source)
    if room == "__init__":
        return []
    if room not in FLOOR_OF:
        return [f"{room}: a room that stands on no floor; enter it in FLOORS"]
    lines = []
    for other in sorted(rooms_imported(path, source)):
        floor = FLOOR_OF.get(other, len(FLOORS))
        if floor >= FLOOR_OF[room] and (room, other) not in SIBLINGS:
            lines.append(f"{room} (floor {FLOOR_OF[room]}) imports {other} (floor {floor})")
    heavy = {name.split(".")[0] for name, at_once in imports(path, source) if at_once} & HEAVY
    if room not in EXEMPT:
        lines += [f"{room} imports {name} when it is itself imported" for name in sorted(heavy)]
    return lines


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """Find one cycle of a directed graph, as the names along it; empty where there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        done.add(name)
        return next(
            filter(None, (visit(b, [*path, name]) for b in sorted(edges.get(name, ())))), []
        )

    return next(filter(None, (visit(name, []) for name in sorted(edges))), [])


def module_name(path: Path, source: Path = SOURCE) -> str:
    """Give a file's dotted name."""
    parts = ("imprint", *path.relative_to(source).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_a_module_imports_lower_floors_only(path):
    assert breaches(path) == []


def test_no_cycles_between_modules():
    names = {module_name(path) for path in FILES}
    edges = {
        module_name(path): {
            name if name in names else name.rpartition(".")[0]
            for name, at_once in imports(path, SOURCE)
            if at_once
        }
        for path in FILES
        if path != SOURCE / "__init__.py"
    }
    # A package's `__init__` gathers its own files; that is no cycle as long as none looks back.
    assert cycle(edges) == []


def test_each_room_stands_on_one_floor():
    assert sum(len(rooms) for rooms in FLOORS) == len(FLOOR_OF)


@pytest.mark.parametrize(
    ("file", "code", "expected"),
    [
        ("memory.py", "from imprint.signatures import signature", []),
        ("memory.py", "from imprint.memory import x\nimport torch", []),
        ("types.py", "from imprint.errors import InvalidValueError", []),
        ("data/folders.py", "from imprint.data.labels import x\nfrom . import labels", []),
        ("errors.py", "from imprint.types import x", ["errors (floor 0) imports types (floor 0)"]),
        ("memory.py", "import imprint.taps", ["memory (floor 2) imports taps (floor 2)"]),
        ("memory.py", "from imprint import taps", ["memory (floor 2) imports taps (floor 2)"]),
        ("data/a.py", "from ..taps import Tap", ["data (floor 2) imports taps (floor 2)"]),
        (
            "report/a.py",
            "def f():\n    from imprint.training import x",
            ["report (floor 4) imports training (floor 4)"],
        ),
        ("taps.py", "import imprint", ["taps (floor 2) imports __init__ (floor 7)"]),
        ("tools.py", "", ["tools: a room that stands on no floor; enter it in FLOORS"]),
        ("taps.py", "import PIL.Image", ["taps imports PIL when it is itself imported"]),
        ("taps.py", "def f():\n    import PIL.Image", []),
        ("taps.py", "if TYPE_CHECKING:\n    from lightning.fabric import Fabric", []),
        ("cli/train.py", "import typer\nfrom imprint.training import train", []),
        ("callbacks/lightning.py", "from lightning.pytorch import Callback", []),
        (
            "training/a.py",
            "from imprint.callbacks import x",
            ["training (floor 4) imports callbacks (floor 4)"],
        ),
    ],
)
def test_the_reading_of_imports_finds_breaches(tmp_path, file, code, expected):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
    assert breaches(path, tmp_path) == expected


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
    ],
)
def test_cycles_are_found(edges, expected):
    assert cycle(edges) == expected
