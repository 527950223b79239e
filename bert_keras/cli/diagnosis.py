"""Problems of a machine's packages and devices, each with its remedy.

Every function is given what was found, and touches neither files nor TensorFlow.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# The distributions that bring the package tensorflow, all into the same folder.
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "tf-nightly")
INSTALL = "python -m pip install"
UNINSTALL = "python -m pip uninstall --yes"
TPU_INSTALL = f"{INSTALL} 'tensorflow-tpu==2.20.*' && {INSTALL} --no-deps 'tensorflow-text==2.20.*'"


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        what: What was found.
        remedy: What to do.
    """

    what: str
    remedy: str


def package_problems(requirements: Sequence[str], installed: Mapping[str, str]) -> list[Problem]:
    """Packages that are missing, of the wrong version, or in each other's way.

    Args:
        requirements: Those of bert-keras; those of its extras are passed over.
        installed: The version of each distribution, by its normalized name.
    """
    problems = []
    present = {name: installed[name] for name in TENSORFLOWS if name in installed}
    if len(present) > 1:
        problems.append(
            Problem(
                f"{' and '.join(present)} are both installed and share a folder: the one that was "
                "installed last wins",
                f"{UNINSTALL} {' '.join(present)}, then install the one that this machine needs",
            )
        )
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        name = canonicalize_name(requirement.name)
        versions = list(present.values()) if name == "tensorflow" else [installed.get(name, "")]
        if not any(v and requirement.specifier.contains(v, prereleases=True) for v in versions):
            found = ", ".join(filter(None, versions)) or "none"
            wanted = f"{requirement.name}{requirement.specifier}"
            remedy = f"{INSTALL} '{wanted}'"
            if name == "tensorflow" and "tensorflow-tpu" in present:
                remedy = TPU_INSTALL
            problems.append(Problem(f"{wanted} is needed, found: {found}", remedy))
    return problems + _text_problems(present, installed)


def _text_problems(present: Mapping[str, str], installed: Mapping[str, str]) -> list[Problem]:
    """tensorflow-text of another version than TensorFlow, whose libraries it links."""
    text = installed.get("tensorflow-text")
    if not text or len(present) != 1 or "tf-nightly" in present:
        return []
    (version,) = present.values()
    series = ".".join(version.split(".")[:2])
    if Version(text).release[:2] == Version(version).release[:2]:
        return []
    return [
        Problem(
            f"tensorflow-text {text} does not go with TensorFlow {version}",
            f"{INSTALL} --no-deps 'tensorflow-text=={series}.*'",
        )
    ]


def import_problems(error: str, installed: Mapping[str, str]) -> list[Problem]:
    """TensorFlow or Keras that cannot be imported.

    Args:
        error: What the import raised.
        installed: As in ``package_problems``.
    """
    names = [name for name in TENSORFLOWS if name in installed] or ["tensorflow"]
    wanted = " ".join(f"{n}=={installed[n]}" if n in installed else n for n in names[-1:])
    first = f"{UNINSTALL} {' '.join(names)} && " if len(names) > 1 else ""
    return [
        Problem(
            f"TensorFlow and Keras cannot be imported ({error})",
            f"{first}{INSTALL} --force-reinstall --no-deps {wanted}",
        )
    ]


def tpu_problems(
    chips: Sequence[str], files: Sequence[str], installed: Mapping[str, str], reason: str
) -> list[Problem]:
    """The reason why TensorFlow does not see the TPU of this machine.

    Args:
        chips: From ``devices.tpu_chips``.
        files: From ``devices.tpu_files``.
        installed: As in ``package_problems``.
        reason: What TensorFlow said; empty where it sees the TPU.
    """
    if not chips or not reason:
        return []
    others = [name for name in TENSORFLOWS if name in installed and name != "tensorflow-tpu"]
    what = f"{len(chips)} x {chips[0]} in this machine, and none in TensorFlow ({reason})"
    if not files:
        remedy = (
            "this process was given no device file (/dev/accel0, /dev/vfio/0): start the container "
            "with --privileged, or with --device for each of them"
        )
    elif others:
        here = [*others, *(["tensorflow-tpu"] if "tensorflow-tpu" in installed else [])]
        remedy = f"{UNINSTALL} {' '.join(here)} && {TPU_INSTALL}"
    elif "tensorflow-tpu" not in installed:
        remedy = TPU_INSTALL
    else:
        remedy = (
            "end other processes that use the TPU, which serves one at a time; else install the "
            "libtpu that the wheel was built for (python -m pip install libtpu==0.0.14) and set "
            "PJRT_DEVICE=TPU, NEXT_PLUGGABLE_DEVICE_USE_C_API=true, TF_PLUGGABLE_DEVICE_LIBRARY_"
            "PATH=(what libtpu.get_library_path() gives) and TF_XLA_FLAGS="
            "--tf_mlir_enable_mlir_bridge=true before the command"
        )
    return [Problem(what, remedy)]


def gpu_problems(
    models: Sequence[str],
    seen: int,
    tensorflow: str,
    is_cuda_build: bool,
    cuda_requirements: Sequence[str],
    installed: Mapping[str, str],
) -> list[Problem]:
    """The reason why TensorFlow does not see all GPUs of this machine.

    Args:
        models: From ``devices.nvidia_gpus``.
        seen: The GPUs that TensorFlow sees.
        tensorflow: Its version.
        is_cuda_build: Whether it was compiled for CUDA.
        cuda_requirements: What its extra ``and-cuda`` asks for.
        installed: As in ``package_problems``.
    """
    if len(models) <= seen:
        return []
    what = f"{len(models)} x {models[0]} in this machine, and {seen or 'none'} in TensorFlow"
    names = [canonicalize_name(Requirement(text).name) for text in cuda_requirements]
    missing = [name for name in names if name not in installed]
    if seen:
        remedy = "see CUDA_VISIBLE_DEVICES, which hides GPUs, and what `nvidia-smi` says"
    elif not is_cuda_build:
        here = [name for name in TENSORFLOWS if name in installed]
        what += f" {tensorflow}, which was built without CUDA"
        remedy = f"{UNINSTALL} {' '.join(here)} && {INSTALL} 'tensorflow[and-cuda]=={tensorflow}'"
    elif missing:
        what += f": CUDA's libraries are not installed ({', '.join(missing)})"
        remedy = f"{INSTALL} 'tensorflow[and-cuda]=={tensorflow}'"
    else:
        remedy = (
            "run `nvidia-smi`: where it fails, the driver has to be installed or updated; see "
            "CUDA_VISIBLE_DEVICES too, which hides GPUs"
        )
    return [Problem(what, remedy)]


def capability_problems(
    name: str, capability: tuple[int, int] | None, compiled: Sequence[str], tensorflow: str
) -> list[Problem]:
    """A GPU that is newer than all that the wheel was compiled for.

    Args:
        name: The GPU's.
        capability: Its compute capability; ``None`` where it has none.
        compiled: The build's, such as ``sm_80`` and ``compute_90``.
        tensorflow: TensorFlow's version.
    """
    found = [match for text in compiled if (match := re.fullmatch(r"[a-z]+_(\d+)(\d)[a-z]?", text))]
    known = max(((int(m[1]), int(m[2])) for m in found), default=None)
    if capability is None or known is None or capability <= known:
        return []
    return [
        Problem(
            f"{name} has compute capability {capability[0]}.{capability[1]}, and TensorFlow "
            f"{tensorflow} was compiled for {known[0]}.{known[1]} at most: products may fail, or "
            "first take half an hour to compile",
            "take a newer TensorFlow, NVIDIA's container of TensorFlow, or another GPU; "
            "CUDA_VISIBLE_DEVICES=-1 computes on the CPU",
        )
    ]


def product_problems(device: str, error: str) -> list[Problem]:
    """A device that was to compute a product and did not."""
    return [
        Problem(
            f"a product on {device} failed: {error}",
            "end what else uses the device, and look at its driver; CUDA_VISIBLE_DEVICES=-1 leaves "
            "GPUs out",
        )
    ]
