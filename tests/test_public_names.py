"""What the package offers by name: stated, present, explained, and quick to import."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import imprint

PUBLIC = [
    "AttackResult",
    "AttackSettings",
    "ClassMemory",
    "DataSplits",
    "EarlyExit",
    "EarlyExitResult",
    "ExitSettings",
    "Exploration",
    "ExploreSettings",
    "Gallery",
    "ImageSet",
    "ImprintError",
    "MapSettings",
    "ProgressiveFreezing",
    "SeeSettings",
    "Sight",
    "SkipGate",
    "SkipPlan",
    "Suspects",
    "Tap",
    "TrainSettings",
    "answer_early",
    "attack",
    "cosine_similarity",
    "explore",
    "frozen_prefix",
    "indexed",
    "load",
    "plan_skip",
    "see",
    "signature",
    "train",
    "train_on_maps",
]
"""All that `imprint` offers; whoever adds a name there adds it here and in docs/api.md."""

HEAVY = (
    *("lightning", "plotly", "jinja2", "PIL", "pyarrow", "pooch", "typer", "rich", "gradio"),
    *("kornia", "scipy", "sklearn", "matplotlib", "pandas", "librosa", "soundfile", "lancedb"),
    *("transformers", "accelerate", "faiss", "openTSNE", "cleanlab", "captum", "onnx"),
)

SOURCE = Path(imprint.__file__).parent
MODULES = sorted(
    ".".join(("imprint", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if path.name != "__main__.py"
)


def own_objects(name):
    """Give a module's public functions and classes that it defines itself, by name."""
    module = importlib.import_module(name)
    objects = {public: getattr(module, public) for public in module.__all__}
    return {
        public: value
        for public, value in objects.items()
        if (inspect.isfunction(value) or inspect.isclass(value)) and value.__module__ == name
    }


def test_the_public_names_are_these():
    assert sorted(imprint.__all__) == sorted(PUBLIC)


@pytest.mark.parametrize("name", MODULES)
def test_all_names_exist(name):
    module = importlib.import_module(name)
    assert [public for public in module.__all__ if not hasattr(module, public)] == []


@pytest.mark.parametrize("name", MODULES)
def test_names_are_listed_once(name):
    names = importlib.import_module(name).__all__
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", MODULES)
def test_modules_functions_and_classes_have_a_docstring(name):
    silent = [key for key, value in own_objects(name).items() if not explained(value)]
    assert importlib.import_module(name).__doc__
    assert silent == []


def explained(value):
    """Tell whether a docstring was written; a dataclass without one gets its signature."""
    text = value.__doc__ or ""
    return bool(text) and not text.startswith(f"{value.__name__}(")


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("imprint.cli")])
def test_functions_show_an_example(name):
    """The commands' docstrings are their help; all others end in a doctest."""
    functions = {key: v for key, v in own_objects(name).items() if inspect.isfunction(v)}
    docs = {key: inspect.getdoc(value) or "" for key, value in functions.items()}
    assert [k for k, text in docs.items() if ">>> " not in text.partition("Examples:\n")[2]] == []


def test_importing_every_name_loads_nothing_heavy():
    code = "import sys, json; from imprint import *; print(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    loaded = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert sorted(set(loaded) & set(HEAVY)) == []
