"""Problems of a machine's packages and devices, each with its remedy.

Every function is given what was found, and touches neither files nor TensorFlow.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from bert_keras.devices import asked_gpus

# The distributions that bring the package tensorflow, all into the same folder.
TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-tpu", "tf-nightly")
TEXT = "tensorflow-text"
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
    here = [
        requirement
        for requirement in map(Requirement, requirements)
        if not requirement.marker or requirement.marker.evaluate({"extra": ""})
    ]
    needed: dict[str, Requirement] = {canonicalize_name(each.name): each for each in here}
    series = _series(present, needed.get("tensorflow"))
    for name, requirement in needed.items():
        versions = list(present.values()) if name == "tensorflow" else [installed.get(name, "")]
        if not _fits(requirement, versions):
            found = ", ".join(filter(None, versions)) or "none"
            what = f"{requirement.name}{requirement.specifier} is needed, found: {found}"
            problems.append(Problem(what, _remedy(name, requirement, present, series)))
    if TEXT in installed and (TEXT not in needed or _fits(needed[TEXT], [installed[TEXT]])):
        problems += _text_problems(installed[TEXT], present, series)
    return problems


def _fits(requirement: Requirement, versions: Sequence[str]) -> bool:
    return any(v and requirement.specifier.contains(v, prereleases=True) for v in versions)


def _series(present: Mapping[str, str], requirement: Requirement | None) -> str:
    """The series, such as 2.20, of the one TensorFlow that is there and may stay; else empty."""
    versions = list(present.values())
    if len(versions) != 1 or (requirement and not _fits(requirement, versions)):
        return ""
    return _series_of(versions[0])


def _series_of(version: str) -> str:
    return f"{Version(version).major}.{Version(version).minor}"


def _remedy(name: str, requirement: Requirement, present: Mapping[str, str], series: str) -> str:
    """The command that installs a package that is missing or of the wrong version.

    Args:
        name: Its normalized name.
        requirement: The one of it.
        present: The versions of the distributions that bring TensorFlow.
        series: From ``_series``.
    """
    if name == TEXT and series:
        return _text_install(series)
    if name == TEXT and present:
        return "mend TensorFlow first: then this command names the version that goes with it"
    if name == "tensorflow" and "tensorflow-tpu" in present:
        return TPU_INSTALL
    if name == "tensorflow" and list(present) == ["tensorflow-cpu"]:
        return f"{INSTALL} 'tensorflow-cpu{requirement.specifier}'"
    install = f"{INSTALL} '{requirement.name}{requirement.specifier}'"
    if name == "tensorflow" and list(present) == ["tf-nightly"]:
        return f"{UNINSTALL} tf-nightly && {install}"
    return install


def _text_install(series: str) -> str:
    """The command for the tensorflow-text of a series.

    With its dependencies it would bring plain tensorflow, over tensorflow-tpu or tensorflow-cpu.
    """
    return f"{INSTALL} --no-deps '{TEXT}=={series}.*'"


def _text_problems(version: str, present: Mapping[str, str], series: str) -> list[Problem]:
    """tensorflow-text of another version than TensorFlow, whose libraries it links."""
    if not series or _series_of(version) == series or "tf-nightly" in present:
        return []
    (tensorflow,) = present.values()
    return [
        Problem(f"{TEXT} {version} does not go with TensorFlow {tensorflow}", _text_install(series))
    ]


def backend_problems(error: str) -> list[Problem]:
    """Keras that is set to another backend.

    Args:
        error: The message of ``bert_keras.backend``, whose last part is the remedy.
    """
    what, _, remedy = error.rpartition(": ")
    return [Problem(what, remedy)]


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
    setting: str | None,
) -> list[Problem]:
    """The reason why TensorFlow does not see all GPUs that it is asked to see.

    Args:
        models: From ``devices.nvidia_gpus``.
        seen: The GPUs that TensorFlow sees.
        tensorflow: Its version.
        is_cuda_build: Whether it was compiled for CUDA.
        cuda_requirements: What its extra ``and-cuda`` asks for.
        installed: As in ``package_problems``.
        setting: The value of ``CUDA_VISIBLE_DEVICES``; ``None`` where it is not set.
    """
    asked = asked_gpus(len(models), setting)
    if asked <= seen:
        return []
    what = f"{len(models)} x {models[0]} in this machine, "
    if setting is not None:
        what += f"{asked} asked for by CUDA_VISIBLE_DEVICES={setting!r}, "
    what += f"and {seen or 'none'} in TensorFlow"
    names = [canonicalize_name(Requirement(text).name) for text in cuda_requirements]
    missing = [name for name in names if name not in installed]
    if seen:
        remedy = "see what `nvidia-smi` says of each of them"
    elif not is_cuda_build:
        here = [name for name in TENSORFLOWS if name in installed]
        what += f" {tensorflow}, which was built without CUDA"
        remedy = f"{UNINSTALL} {' '.join(here)} && {INSTALL} 'tensorflow[and-cuda]=={tensorflow}'"
    elif missing:
        what += f": CUDA's libraries are not installed ({', '.join(missing)})"
        remedy = f"{INSTALL} 'tensorflow[and-cuda]=={tensorflow}'"
    else:
        remedy = "run `nvidia-smi`: where it fails, the driver has to be installed or updated"
    if setting is not None and (seen or (is_cuda_build and not missing)):
        remedy += (
            "; CUDA_VISIBLE_DEVICES must name GPUs that `nvidia-smi -L` lists, each once: a wrong "
            "name hides what follows it"
        )
    return [Problem(what, remedy)]


def hidden_gpus(count: int, setting: str | None) -> str:
    """The note on GPUs that a user or a scheduler has hidden; empty where there are none.

    Args:
        count: The GPUs of this machine.
        setting: As in ``gpu_problems``.
    """
    hidden = count - asked_gpus(count, setting)
    if not hidden:
        return ""
    return (
        f"CUDA_VISIBLE_DEVICES={setting!r} hides {hidden} of {count} GPUs, on purpose: no problem"
    )


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
