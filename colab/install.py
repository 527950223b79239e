import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Google's chips on the PCI bus; its network cards and disks have its vendor's number too.
GOOGLE = "0x1ae0"
TPUS = {
    "0x0027": "TPU v2 or v3",
    "0x005e": "TPU v4",
    "0x0062": "TPU v5p",
    "0x0063": "TPU v5e",
    "0x006f": "TPU v6e",
    "0x0076": "TPU7x",
}
EXTRAS = ("tfds",)
# Where TensorFlow for TPUs goes nothing may bring plain TensorFlow, which has the same folder.
NOT_BESIDE = ("tensorflow", "tensorflow-cpu", "tensorflow-text")
PJRT = {
    "PJRT_DEVICE": "TPU",
    "NEXT_PLUGGABLE_DEVICE_USE_C_API": "true",
    "TF_XLA_FLAGS": "--tf_mlir_enable_mlir_bridge=true",
}
PROBE = """
import tensorflow as tf
resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
tf.tpu.experimental.initialize_tpu_system(resolver)
assert tf.config.list_logical_devices("TPU"), "TensorFlow lists no TPU"
"""


class Recipe(NamedTuple):
    """A way to TensorFlow on a TPU: what pip is given, what it brings, which variables it needs."""

    packages: tuple[str, ...]
    versions: dict[str, str]
    variables: dict[str, str]


RECIPES = (
    Recipe(("tensorflow-tpu==2.20.*",), {"tensorflow": "2.20.0", "tensorflow-text": "2.20.1"}, {}),
    Recipe(
        ("tensorflow-tpu==2.20.*", "libtpu==0.0.14"),
        {"tensorflow": "2.20.0", "tensorflow-text": "2.20.1"},
        PJRT,
    ),
    # As Google's own people published it; it has no wheel for Python 3.13.
    Recipe(
        ("tensorflow-tpu==2.19.1", "libtpu==0.0.10"),
        {
            "tensorflow": "2.19.1",
            "tensorflow-text": "2.19.0",
            "tensorboard": "2.19.0",
            "python": "3.12",
        },
        PJRT,
    ),
)


def tpu_chips(root: Path = Path("/")) -> list[str]:
    """Name the TPU chips of this machine, one entry a chip, by its PCI bus or its device files."""
    chips = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            vendor, number = ((device / name).read_text().strip() for name in ("vendor", "device"))
        except OSError:
            continue
        if vendor == GOOGLE and number in TPUS:
            chips.append(TPUS[number])
    return chips or ["TPU" for _ in (root / "dev").glob("accel[0-9]*")]


def pip(command, *arguments):
    """Run pip."""
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", *arguments], check=True)


def find_source(given, folder):
    """The thing that pip installs: what was given, else the checkout above or beside this notebook.

    Never a mere name: bert-keras is on no index, where anybody could register it.
    """
    if "://" in given:
        return given
    name, bracket, extras = given.partition("[")
    if name and Path(name).exists():  # absolute: pip looks for a bare name on the index
        return f"{Path(name).resolve()}{bracket}{extras}"
    above = (folder, *folder.parents)
    beside = sorted(path.parent for path in folder.glob("*/pyproject.toml"))
    for checkout in () if given else (*above, *beside):
        if (checkout / "bert_keras" / "_version.py").exists():
            return f"{checkout}[{','.join(EXTRAS)}]"
    raise SystemExit(
        "bert_keras is not installed: put this notebook into its checkout or beside it, or set "
        "SOURCE to a folder or an address that pip takes (git+https://...). "
        f"Received: {given!r}"
    )


def unmet(recipe, requirements):
    """Say which requirement a recipe cannot meet; an empty text where there is none."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    if "python" in recipe.versions and sys.version_info >= (3, 13):
        return f"it has wheels up to Python {recipe.versions['python']}"
    for requirement in map(Requirement, requirements):
        version = recipe.versions.get(canonicalize_name(requirement.name))
        if version and not requirement.specifier.contains(version):
            return f"bert-keras needs {requirement.name}{requirement.specifier}"
    return ""


def tpu_commands(recipe, requirements):
    """List pip's arguments for a recipe and for what bert-keras needs beside TensorFlow."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    needed = []
    for requirement in map(Requirement, requirements):
        marker = requirement.marker
        is_needed = not marker or any(marker.evaluate({"extra": e}) for e in ("", *EXTRAS))
        if is_needed and canonicalize_name(requirement.name) not in NOT_BESIDE:
            requirement.marker = None
            needed.append(str(requirement))
    text = f"tensorflow-text=={recipe.versions['tensorflow-text']}"
    return [("install", *recipe.packages, *needed), ("install", "--no-deps", text)]


def installed(*names):
    """Tell which of some distributions are installed."""
    found = []
    for name in names:
        try:
            importlib.metadata.version(name)
            found.append(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def take_tpu():
    """Install TensorFlow for the TPU by the first recipe that finds it; refuse to go on without."""
    if installed("tensorflow", "tensorflow-cpu"):
        # All have the same folder, and removing one removes files of the other.
        names = installed("tensorflow", "tensorflow-cpu", "tensorflow-tpu")
        pip("uninstall", "--yes", *names)
    pip("install", "packaging")
    requirements = importlib.metadata.requires("bert-keras") or []
    for recipe in RECIPES:
        title = " with ".join(recipe.packages) + (" and PJRT's variables" * bool(recipe.variables))
        if reason := unmet(recipe, requirements):
            print(f"{title} was not tried: {reason}")
            continue
        for command in tpu_commands(recipe, requirements):
            pip(*command)
        if plain := installed("tensorflow", "tensorflow-cpu"):
            raise SystemExit(f"something installed {plain[0]} over TensorFlow for TPUs")
        if recipe.variables:
            library = importlib.util.find_spec("libtpu").submodule_search_locations[0]
            path = {"TF_PLUGGABLE_DEVICE_LIBRARY_PATH": f"{library}/libtpu.so"}
            os.environ.update(recipe.variables | path)
        probe = [sys.executable, "-c", PROBE]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            print(f"the TPU was found by {title}")
            return
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        print(f"{title} finds no TPU: {last}")
    raise SystemExit(
        "this machine has a TPU that TensorFlow does not find; restart the runtime and try again, "
        "or choose a runtime with a GPU or a CPU"
    )


def install(given, root=Path("/")):
    """Install bert_keras where it is not, and say whether there is a TPU, which is then usable."""
    package, chips = importlib.util.find_spec("bert_keras"), tpu_chips(root)
    if package is None or package.origin is None:  # a mere folder of that name has no origin
        pip("install", *(("--no-deps",) if chips else ()), find_source(given, Path.cwd()))
        importlib.invalidate_caches()
    if chips:
        print("found:", ", ".join(chips))
        take_tpu()
    return bool(chips)
