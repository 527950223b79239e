"""The notebooks' install cell: what pip is asked for, and what is not gone on without."""

import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution

import nbformat
import pytest
from packaging.requirements import Requirement

from bert_keras import devices
from tests.support.machines import tpu_machine

NAMES = ("pretrain_on_tpu", "finetune", "fit_on_labels", "export")
REQUIREMENTS = [
    "tensorflow<2.22,>=2.20",
    "tensorflow_text<2.22,>=2.20; sys_platform != 'win32'",
    "tensorflow-hub-of-nobody>=1",  # begins as the wheel to leave out does
    "TensorBoard>=2.20",
    "Keras<4,>=3.15",
    "tensorflow-datasets>=4.9.8; extra == 'tfds'",
    "torch==2.13.0; extra == 'parity'",
    "backports.zstd>=1; python_version < '3'",
]
BESIDE = [
    "tensorflow-hub-of-nobody>=1",
    "TensorBoard>=2.20",
    "Keras<4,>=3.15",
    "tensorflow-datasets>=4.9.8",
]


@pytest.fixture(scope="module")
def cell(repository):
    """The module colab/install.py, whose text the cell is."""
    path = repository / "colab" / "install.py"
    spec = importlib.util.spec_from_file_location("colab_install", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def code(request, repository):
    """The cells of code of a notebook."""
    notebook = nbformat.read(repository / "colab" / f"{request.param}.ipynb", as_version=4)
    return [c.source for c in notebook.cells if c.cell_type == "code"]


def test_the_cell_of_every_notebook_is_the_file_that_is_tested(code, repository):
    text = (repository / "colab" / "install.py").read_text(encoding="utf-8")
    assert code[1] == f"# @title Install\n{text}\n\nHAS_TPU = install(SOURCE)"


def test_chips_are_found_as_the_package_finds_them(cell):
    assert inspect.getsource(cell.tpu_chips) == inspect.getsource(devices.tpu_chips)
    assert (cell.TPUS, cell.GOOGLE) == (devices.TPUS, devices.GOOGLE)


@pytest.fixture
def install(code, tmp_path):
    """Runs settings and installation where bert_keras is not installed.

    Returns what pip would have been given, and the process.
    """
    script = "import json, subprocess\nsubprocess.run = lambda c, **_: print(json.dumps(c))\n"
    script += "\n\n".join(code[:2])

    def run(folder, **settings):
        environment = os.environ | {f"BERT_KERAS_{key}": value for key, value in settings.items()}
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", script],  # -S: as in an empty environment
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        return [json.loads(line)[-1] for line in done.stdout.splitlines()], done

    return run


def test_a_notebook_installs_from_the_checkout_that_it_lies_in(install, repository):
    found, done = install(repository / "colab")
    assert done.returncode == 0, done.stderr
    assert found == [f"{repository}[tfds]"]


def test_a_notebook_installs_from_the_checkout_that_lies_beside_it(install, tmp_path):
    (tmp_path / "clone" / "bert_keras").mkdir(parents=True)
    (tmp_path / "clone" / "bert_keras" / "_version.py").touch()
    (tmp_path / "clone" / "pyproject.toml").touch()
    (tmp_path / "another").mkdir()
    (tmp_path / "another" / "pyproject.toml").touch()
    found, done = install(tmp_path)
    assert (found, done.returncode) == ([f"{tmp_path / 'clone'}[tfds]"], 0), done.stderr


def test_a_notebook_installs_from_a_given_folder_or_address(install, tmp_path):
    (tmp_path / "bert-keras").mkdir()  # pip would look for the bare name on the index
    address = "bert-keras[tfds] @ git+https://example.org/it"
    for given, taken in {
        "bert-keras": str(tmp_path / "bert-keras"),
        "bert-keras[tfds]": f"{tmp_path / 'bert-keras'}[tfds]",
        address: address,
    }.items():
        found, done = install(tmp_path, SOURCE=given)
        assert (found, done.returncode) == ([taken], 0), done.stderr


@pytest.mark.parametrize("given", ["", "bert-keras", "bert-keras[tfds]"])
def test_a_notebook_never_installs_from_the_index(install, tmp_path, given):
    (tmp_path / "bert_keras").mkdir()  # a folder of that name is no package
    found, done = install(tmp_path, SOURCE=given)
    assert (found, done.returncode) == ([], 1)
    (line,) = done.stderr.splitlines()
    assert "set SOURCE to a folder or an address that pip takes" in line
    assert line.endswith(f"Received: {given!r}")


def test_the_first_recipe_takes_what_is_needed_and_no_plain_tensorflow(cell):
    assert cell.tpu_commands(cell.RECIPES[0], REQUIREMENTS) == [
        ("install", "tensorflow-tpu==2.20.*", *BESIDE),
        ("install", "--no-deps", "tensorflow-text==2.20.1"),
    ]
    assert cell.RECIPES[0].variables == {}


def test_the_second_recipe_pins_libtpu_and_sets_the_variables(cell):
    assert cell.tpu_commands(cell.RECIPES[1], REQUIREMENTS) == [
        ("install", "tensorflow-tpu==2.20.*", "libtpu==0.0.14", *BESIDE),
        ("install", "--no-deps", "tensorflow-text==2.20.1"),
    ]
    assert cell.RECIPES[1].variables == {
        "PJRT_DEVICE": "TPU",
        "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
        "TF_XLA_FLAGS": "--tf_mlir_enable_mlir_bridge=true",
    }


def test_the_published_recipe_is_taken_only_where_our_requirements_allow_it(cell, monkeypatch):
    published = cell.RECIPES[2]
    older = ["tensorflow<2.22,>=2.19", "tensorflow-text>=2.19", "tensorboard>=2.19"]
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert cell.unmet(published, older) == ""
    assert cell.tpu_commands(published, older) == [
        ("install", "tensorflow-tpu==2.19.1", "libtpu==0.0.10", "tensorboard>=2.19"),
        ("install", "--no-deps", "tensorflow-text==2.19.0"),
    ]
    assert cell.unmet(published, REQUIREMENTS) == "bert-keras needs tensorflow<2.22,>=2.20"
    assert cell.unmet(published, ["TensorBoard>=2.20"]) == "bert-keras needs TensorBoard>=2.20"
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert cell.unmet(published, older) == "it has wheels up to Python 3.12"


def test_our_own_requirements_can_be_met_on_a_tpu(cell):
    requirements = distribution("bert-keras").requires
    assert [cell.unmet(recipe, requirements) for recipe in cell.RECIPES[:2]] == ["", ""]
    (command, text) = cell.tpu_commands(cell.RECIPES[0], requirements)
    names = [Requirement(argument).name for argument in command[1:]]
    assert "keras" in names
    assert "tensorflow-datasets" in names
    assert not {"tensorflow", "tensorflow-text", "torch"} & set(names)
    assert text[-1].startswith("tensorflow-text==2.20.")


TENSORFLOW = """
import os
import importlib.metadata as metadata
WHEEL_NAME = {wheel!r}
class _Any:
    def __getattr__(self, name): return self
    def __call__(self, *arguments): return self
    def list_logical_devices(self, kind):
        wants = os.environ.get("CHIP_WANTS_LIBTPU", "")
        return ["chip"] if metadata.version("libtpu") == wants and os.environ[
            "TF_PLUGGABLE_DEVICE_LIBRARY_PATH"].endswith("libtpu/libtpu.so") else []
config = distribute = tpu = _Any()
"""


def _wheel(folder, name, version, requires=(), files=None):
    """A made-up package."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    needs = "".join(f"Requires-Dist: {text}\n" for text in requires)
    files = dict(files or {}) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as file:
        record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
        for path, text in (files | {f"{info}/RECORD": record}).items():
            file.writestr(path, text)


@pytest.fixture
def index(tmp_path):
    """A folder of made-up packages that pip takes for its only index; plain TensorFlow is there."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("tensorflow", "2.21.0"), ("tensorflow-tpu", "2.20.0")):
        text = TENSORFLOW.format(wheel=name)
        needs = ["libtpu~=0.0.14", "packaging"] if name.endswith("tpu") else []
        _wheel(folder, name, version, needs, {"tensorflow/__init__.py": text})
    _wheel(folder, "tensorflow-text", "2.20.1", ["tensorflow"])
    for version in ("0.0.14", "0.0.21"):
        _wheel(folder, "libtpu", version, [], {"libtpu/__init__.py": ""})
    _wheel(folder, "keras", "3.15.0")
    needs = ["tensorflow<2.22,>=2.20", "tensorflow-text>=2.20", "keras>=3.15"]
    _wheel(folder, "bert-keras", "9", needs, {"bert_keras/__init__.py": ""})
    installed = distribution("packaging").locate_file("packaging")
    modules = {f"packaging/{p.name}": p.read_text() for p in installed.glob("*.py")}
    _wheel(folder, "packaging", distribution("packaging").version, [], modules)
    return folder


@pytest.mark.system
def test_pip_itself_brings_tensorflow_for_the_tpu_by_the_recipe_that_finds_it(
    index, tmp_path, repository
):
    """The cell with the real pip, made-up packages and a made-up TPU, in an empty environment."""
    venv.create(tmp_path / "env", with_pip=True, symlinks=True)
    tpu_machine(tmp_path / "root")
    shutil.copy(repository / "colab" / "install.py", tmp_path)
    wheel = next(index.glob("bert_keras-*"))
    script = (
        "import importlib.metadata, os\nfrom pathlib import Path\nimport install\n"
        f"print(install.install({str(wheel)!r}, Path({str(tmp_path / 'root')!r})))\n"
        "import tensorflow\nprint(tensorflow.WHEEL_NAME, os.environ['PJRT_DEVICE'])\n"
        "print(install.installed('tensorflow', 'libtpu', 'keras', 'tensorflow-text'))\n"
    )
    environment = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP", "PYTHON"))}

    def run(**variables):
        return subprocess.run(
            [tmp_path / "env/bin/python", "-c", script],
            cwd=tmp_path,
            env=kept | environment | variables,
            capture_output=True,
            text=True,
        )

    done = run(CHIP_WANTS_LIBTPU="0.0.14")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "found: TPU v5e"
    assert lines[1].startswith("tensorflow-tpu==2.20.* finds no TPU: ")
    second = "tensorflow-tpu==2.20.* with libtpu==0.0.14 and PJRT's variables"
    assert lines[2:] == [
        f"the TPU was found by {second}",
        "True",
        "tensorflow-tpu TPU",
        "['libtpu', 'keras', 'tensorflow-text']",
    ]

    done = run()  # no recipe finds the chip: no silent CPU
    assert done.returncode == 1
    assert f"{second} finds no TPU: " in done.stdout
    assert "tensorflow-tpu==2.19.1 with libtpu==0.0.10 and PJRT's variables was not" in done.stdout
    assert done.stderr.startswith("this machine has a TPU that TensorFlow does not find;")
