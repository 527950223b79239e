"""What is wrong with machines that were made up: their device files, packages and GPUs."""

import os
import subprocess
import sys

import pytest

from bert_keras.__main__ import run as main
from bert_keras.cli import diagnosis
from bert_keras.cli.doctor import (
    examine_devices,
    installed_packages,
    notes,
    start_tpu,
    time_product,
)
from tests.support.machines import add_file, gpu_machine, tpu_machine

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
        (
            {"tensorflow-cpu": "2.19.1", "tensorflow-text": "2.20.0"},
            "tensorflow<2.22,>=2.20 is needed, found: 2.19.1",
            "install 'tensorflow-cpu<2.22,>=2.20'",
        ),
        (
            {"tf-nightly": "2.22.0.dev20260101"},
            "tensorflow<2.22,>=2.20 is needed, found: 2.22.0.dev20260101",
            "uninstall --yes tf-nightly && python -m pip install 'tensorflow<2.22,>=2.20'",
        ),
    ],
    ids=["old", "text", "both", "tpu", "missing", "cpu", "nightly"],
)  # fmt: skip
def test_packages_that_do_not_fit_are_named_with_their_remedy(installed, what, remedy):
    problem, *_ = diagnosis.package_problems(NEEDS, installed)
    assert problem.what.startswith(what)
    assert remedy in problem.remedy


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow-cpu", "tensorflow-tpu"])
@pytest.mark.parametrize("text", [None, "2.19.0", "2.21.1", "2.22.0"])
def test_tensorflow_text_has_one_remedy_which_leaves_tensorflow_as_it_is(name, text):
    """Text 2.21 asks for tensorflow 2.21: pip would put that over what is there."""
    installed = {name: "2.20.0", "keras": "3.15.1"} | ({"tensorflow-text": text} if text else {})
    (problem,) = diagnosis.package_problems(NEEDS, installed)
    assert "tensorflow-text" in problem.what
    assert problem.remedy == "python -m pip install --no-deps 'tensorflow-text==2.20.*'"


@pytest.mark.parametrize(
    "present",
    [{"tensorflow": "2.19.1"}, {"tensorflow": "2.21.0", "tensorflow-tpu": "2.20.0"}],
    ids=["old", "two"],
)
def test_a_tensorflow_that_cannot_stay_is_mended_before_its_text(present):
    *others, text = diagnosis.package_problems(NEEDS, {"keras": "3.15.1"} | present)
    assert len(others) == 1
    assert text.what.startswith("tensorflow-text<2.22,>=2.20 is needed, found: none")
    assert text.remedy.startswith("mend TensorFlow first")
    installed = {"keras": "3.15.1", "tensorflow-text": "2.20.1"} | present
    assert diagnosis.package_problems(NEEDS, installed) == others, "not the text of 2.19"


def test_text_of_another_version_is_found_without_the_list_of_requirements():
    (problem,) = diagnosis.package_problems([], PLAIN | {"tensorflow-text": "2.20.1"})
    assert "'tensorflow-text==2.21.*'" in problem.remedy


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
        (True, PLAIN | LIBRARIES, 0, "run `nvidia-smi`: where it fails, the driver"),
        (True, PLAIN | LIBRARIES, 1, "see what `nvidia-smi` says of each of them"),
    ],
    ids=["libraries", "cpu-wheel", "driver", "some"],
)
def test_a_gpu_that_tensorflow_does_not_see_has_its_remedy(is_cuda_build, installed, seen, remedy):
    models = ["NVIDIA L4"] * 2
    built = ("2.21.0", is_cuda_build, CUDA, installed)
    (problem,) = diagnosis.gpu_problems(models, seen, *built, None)
    assert problem.what.startswith("2 x NVIDIA L4 in this machine, and")
    assert remedy in problem.remedy
    assert "CUDA_VISIBLE_DEVICES" not in problem.remedy
    assert diagnosis.gpu_problems(models, 2, *built, None) == []
    assert diagnosis.gpu_problems(models, 0, *built, "-1") == [], "hidden on purpose"


@pytest.mark.parametrize(
    ("setting", "seen", "asked"),
    [("0", 0, 1), ("7", 0, 1), ("all", 0, 1), ("0,7,1", 1, 2)],
    ids=["unseen", "none-such", "a-word", "after-none-such"],
)
def test_a_gpu_that_is_asked_for_and_not_seen_is_a_problem(setting, seen, asked):
    installed = PLAIN | LIBRARIES
    (problem,) = diagnosis.gpu_problems(["L4"] * 2, seen, "2.21.0", True, CUDA, installed, setting)
    start = f"2 x L4 in this machine, {asked} asked for by CUDA_VISIBLE_DEVICES='{setting}', and"
    assert problem.what.startswith(start)
    assert "CUDA_VISIBLE_DEVICES must name GPUs that `nvidia-smi -L` lists" in problem.remedy


@pytest.mark.parametrize(("setting", "hidden"), [("-1", 2), ("", 2), ("1", 1)])
def test_gpus_that_are_hidden_on_purpose_are_a_note(setting, hidden, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)
    line, *_ = notes(gpu_machine(tmp_path, count=2))
    assert line.startswith(f"CUDA_VISIBLE_DEVICES='{setting}' hides {hidden} of 2 GPUs, on purpose")
    built = ("2.21.0", True, CUDA, PLAIN | LIBRARIES)
    assert diagnosis.gpu_problems(["L4"] * 2, 2 - hidden, *built, setting) == []


@pytest.mark.parametrize("setting", [None, "0,1", "0,1,2,3"])
def test_where_no_gpu_is_hidden_there_is_no_note(setting):
    assert diagnosis.hidden_gpus(2, setting) == ""
    assert diagnosis.hidden_gpus(0, "-1") == ""


def test_the_missing_libraries_of_cuda_are_named():
    installed = PLAIN | {"nvidia-nccl-cu12": "2.27"}
    (problem,) = diagnosis.gpu_problems(["T4"], 0, "2.21.0", True, CUDA, installed, None)
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


def test_made_up_machines_are_examined_by_the_tensorflow_that_is_here(tmp_path, monkeypatch):
    """A TPU and GPUs of which this TensorFlow sees none; its CPU is timed all the same."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    tpu_machine(tmp_path)
    gpu_machine(tmp_path, count=2)
    rows, problems = examine_devices(installed_packages(), tmp_path)
    assert [row[0] for row in rows] == ["CPU 0", "CPU 0"]
    tpu, gpu = texts(problems)
    assert "1 x TPU v5e in this machine" in tpu
    assert "no TPU 'local' can be reached" in tpu
    assert "'tensorflow-tpu==2.20.*'" in tpu
    assert "2 x NVIDIA L4 in this machine" in gpu
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    _, problems = examine_devices(installed_packages(), tmp_path)
    assert texts(problems) == [tpu], "the GPUs are hidden on purpose"


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


@pytest.mark.system
@pytest.mark.parametrize("place", ["variable", "file"])
def test_another_backend_is_one_of_the_problems(place, repository, tmp_path):
    """Beside it a tensorflow-text that does not fit, first on the path, and the devices."""
    add_file(
        tmp_path,
        "tensorflow_text-2.1.0.dist-info/METADATA",
        "Metadata-Version: 2.1\nName: tensorflow-text\nVersion: 2.1.0\n",
    )
    add_file(tmp_path, "keras.json", '{"backend": "jax"}')
    path = os.pathsep.join([str(tmp_path), str(repository)])
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    where = {"KERAS_BACKEND": "jax"} if place == "variable" else {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "bert_keras", "doctor"],
        env=environment | where | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "wrong: bert_keras runs on Keras's TensorFlow backend, not on 'jax' (" in done.stdout
    assert "mend: set KERAS_BACKEND=tensorflow before Keras is imported" in done.stdout
    assert "--no-deps 'tensorflow-text==" in done.stdout
    assert "1024 x 1024, bfloat16" in done.stdout, "the devices are examined all the same"
    assert done.stderr.splitlines()[-1] == "bert-keras: 2 things are wrong here, see above"
