"""What is wrong with machines that were made up: their device files, packages and GPUs."""

import os
import subprocess
import sys

import pytest

from bert_keras.__main__ import run as main
from bert_keras.cli import diagnosis
from bert_keras.cli.doctor import examine_devices, installed_packages, start_tpu, time_product
from tests.support.machines import gpu_machine, tpu_machine

PLAIN = {"tensorflow": "2.21.0", "tensorflow-text": "2.21.1", "keras": "3.15.1"}
ON_TPU = {"tensorflow-tpu": "2.20.0", "tensorflow-text": "2.20.1", "keras": "3.15.1"}
NEEDS = [
    "tensorflow<2.22,>=2.20",
    "tensorflow-text<2.22,>=2.20; sys_platform != 'win32'",
    "Keras>=3.15",
    'torch>=2; extra == "parity"',
]
CUDA = ['nvidia-cudnn-cu12<10.0; extra == "and-cuda"', 'nvidia-nccl-cu12; extra == "and-cuda"']
LIBRARIES = {"nvidia-cudnn-cu12": "9.3", "nvidia-nccl-cu12": "2.27"}
UNSEEN = "RuntimeError: no TPU"


def texts(problems):
    return [" ".join(problem) for problem in problems]


def test_this_machine_has_nothing_wrong_and_multiplies(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "CPU 0" in out
    assert "1024 x 1024, bfloat16" in out
    assert out.rstrip().endswith("nothing is wrong")


def test_a_product_takes_time_and_is_checked():
    assert 0 < time_product("/CPU:0", "float32", repeats=1) < 60
    with pytest.raises(ArithmeticError, match=r"computed on /job:\S+CPU:0"):
        time_product("/GPU:7", "float32")  # TensorFlow takes the CPU in its place, silently


@pytest.mark.parametrize("installed", [PLAIN, ON_TPU], ids=["plain", "tpu"])
def test_packages_that_fit_are_no_problem(installed):
    assert diagnosis.package_problems(NEEDS, installed) == []


@pytest.mark.parametrize(
    ("installed", "what", "remedy"),
    [
        (PLAIN | {"keras": "3.14.0"}, "Keras>=3.15 is needed, found: 3.14.0", "'Keras>=3.15'"),
        (
            PLAIN | {"tensorflow-text": "2.20.1"},
            "tensorflow-text 2.20.1 does not go with TensorFlow 2.21.0",
            "--no-deps 'tensorflow-text==2.21.*'",
        ),
        (
            PLAIN | ON_TPU | {"tensorflow-text": "2.20.1"},
            "tensorflow and tensorflow-tpu are both installed and share a folder",
            "uninstall --yes tensorflow tensorflow-tpu,",
        ),
        (
            ON_TPU | {"tensorflow-tpu": "2.19.1", "tensorflow-text": "2.20.0"},
            "tensorflow<2.22,>=2.20 is needed, found: 2.19.1",
            "install 'tensorflow-tpu==2.20.*'",
        ),
        ({"keras": "3.15.0"}, "tensorflow<2.22,>=2.20 is needed, found: none", "'tensorflow<"),
    ],
    ids=["old", "text", "both", "tpu", "missing"],
)  # fmt: skip
def test_packages_that_do_not_fit_are_named_with_their_remedy(installed, what, remedy):
    problem, *_ = diagnosis.package_problems(NEEDS, installed)
    assert problem.what.startswith(what)
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("installed", "files", "remedy"),
    [
        (
            PLAIN,
            ["/dev/vfio/0"],
            "uninstall --yes tensorflow && python -m pip install 'tensorflow-",
        ),
        (PLAIN | ON_TPU, ["/dev/vfio/0"], "uninstall --yes tensorflow tensorflow-tpu &&"),
        (ON_TPU, ["/dev/vfio/0"], "libtpu==0.0.14"),
        ({}, ["/dev/accel0"], "python -m pip install 'tensorflow-tpu==2.20.*'"),
        (ON_TPU, [], "--device"),
    ],
    ids=["plain", "both", "unseen", "none", "container"],
)
def test_a_tpu_that_tensorflow_does_not_see_has_its_remedy(installed, files, remedy):
    (problem,) = diagnosis.tpu_problems(["TPU v5e"], files, installed, UNSEEN)
    assert problem.what.startswith("1 x TPU v5e in this machine, and none in TensorFlow")
    assert UNSEEN in problem.what
    assert remedy in problem.remedy


def test_a_tpu_that_is_seen_and_no_tpu_are_no_problem():
    assert diagnosis.tpu_problems(["TPU v5e"], ["/dev/vfio/0"], ON_TPU, "") == []
    assert diagnosis.tpu_problems([], ["/dev/vfio/0"], PLAIN, "") == []


@pytest.mark.parametrize(
    ("is_cuda_build", "installed", "seen", "remedy"),
    [
        (True, PLAIN, 0, "install 'tensorflow[and-cuda]==2.21.0'"),
        (False, {"tensorflow-cpu": "2.21.0"}, 0, "uninstall --yes tensorflow-cpu && "),
        (True, PLAIN | LIBRARIES, 0, "`nvidia-smi`"),
        (True, PLAIN | LIBRARIES, 1, "CUDA_VISIBLE_DEVICES"),
    ],
    ids=["libraries", "cpu-wheel", "driver", "hidden"],
)
def test_a_gpu_that_tensorflow_does_not_see_has_its_remedy(is_cuda_build, installed, seen, remedy):
    models = ["NVIDIA L4"] * 2
    (problem,) = diagnosis.gpu_problems(models, seen, "2.21.0", is_cuda_build, CUDA, installed)
    assert problem.what.startswith("2 x NVIDIA L4 in this machine, and")
    assert remedy in problem.remedy
    assert diagnosis.gpu_problems(models, 2, "2.21.0", is_cuda_build, CUDA, installed) == []


def test_the_missing_libraries_of_cuda_are_named():
    installed = PLAIN | {"nvidia-nccl-cu12": "2.27"}
    (problem,) = diagnosis.gpu_problems(["T4"], 0, "2.21.0", True, CUDA, installed)
    assert "(nvidia-cudnn-cu12)" in problem.what


@pytest.mark.parametrize(
    ("capability", "is_newer"),
    [((7, 5), False), ((8, 6), False), ((9, 0), False), ((12, 0), True), ((10, 0), True)],
)
def test_a_gpu_newer_than_the_wheel_is_told(capability, is_newer):
    compiled = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"]
    found = diagnosis.capability_problems("RTX", capability, compiled, "2.21.0")
    assert len(found) == is_newer
    if is_newer:
        version = ".".join(map(str, capability))
        assert f"RTX has compute capability {version}, and TensorFlow 2.21.0" in found[0].what
    assert diagnosis.capability_problems("RTX", None, compiled, "2.21.0") == []
    assert diagnosis.capability_problems("RTX", capability, [], "2.21.0") == []


def test_made_up_machines_are_examined_by_the_tensorflow_that_is_here(tmp_path):
    """A TPU and GPUs of which this TensorFlow sees none; its CPU is timed all the same."""
    tpu_machine(tmp_path)
    gpu_machine(tmp_path, count=2)
    rows, problems = examine_devices(installed_packages(), tmp_path)
    assert [row[0] for row in rows] == ["CPU 0", "CPU 0"]
    tpu, gpu = texts(problems)
    assert "1 x TPU v5e in this machine" in tpu
    assert "no TPU 'local' can be reached" in tpu
    assert "'tensorflow-tpu==2.20.*'" in tpu
    assert "2 x NVIDIA L4 in this machine" in gpu


def test_a_tpu_that_is_not_there_cannot_be_started():
    assert start_tpu().startswith("no TPU 'local' can be reached")


@pytest.mark.system
def test_a_tensorflow_that_cannot_be_imported_is_what_is_wrong(repository, tmp_path):
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("raise ImportError('half a wheel')\n")
    path = os.pathsep.join([str(tmp_path), str(repository)])
    done = subprocess.run(
        [sys.executable, "-m", "bert_keras", "doctor"],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "cannot be imported (ImportError: half a wheel)" in done.stdout
    assert "--force-reinstall --no-deps tensorflow==" in done.stdout
    assert done.stderr.splitlines()[-1].endswith("wrong here, see above")
