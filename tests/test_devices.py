import pytest

from bert_keras.devices import asked_gpus, nvidia_gpus, tpu_chips, tpu_files
from tests.support.machines import GOOGLE, NVIDIA, add_file, add_pci, gpu_machine, tpu_machine


@pytest.mark.parametrize(
    ("number", "name"),
    [("0x0063", "TPU v5e"), ("0x005e", "TPU v4"), ("0x0027", "TPU v2 or v3")],
)
def test_a_chip_on_the_bus_has_its_name(number, name, tmp_path):
    assert tpu_chips(tpu_machine(tmp_path, number)) == [name]
    assert tpu_files(tmp_path) == [str(tmp_path / "dev/vfio/0")]


def test_a_gpu_that_is_handed_on_by_vfio_is_no_tpu(tmp_path):
    add_pci(tmp_path, "0000:00:04.0", NVIDIA, "0x27b8")
    add_pci(tmp_path, "0000:00:03.0", GOOGLE, "0x0042")  # Google's network card
    add_file(tmp_path, "dev/vfio/0")
    add_file(tmp_path, "dev/vfio/vfio")
    assert tpu_chips(tmp_path) == []


def test_chips_are_found_by_their_files_where_no_bus_is_shown(tmp_path):
    for number in range(4):
        add_file(tmp_path, f"dev/accel{number}")
    assert tpu_chips(tmp_path) == ["TPU"] * 4
    add_file(tmp_path, "dev/accel/accel0")  # another maker's, by Linux's own subsystem
    assert len(tpu_chips(tmp_path)) == 4


def test_gpus_are_named_by_their_driver_or_counted_by_their_files(tmp_path):
    assert nvidia_gpus(gpu_machine(tmp_path / "a", "Tesla T4", 2)) == ["Tesla T4", "Tesla T4"]
    add_file(tmp_path, "b/dev/nvidia0")
    add_file(tmp_path, "b/dev/nvidiactl")
    assert nvidia_gpus(tmp_path / "b") == ["NVIDIA GPU"]


@pytest.mark.parametrize(
    ("setting", "asked"),
    [
        (None, 4),
        ("", 0),
        (" ", 0),
        ("-1", 0),
        ("NoDevFiles", 0),
        ("2", 1),
        ("2, 0", 2),
        ("0,2,-1,1", 2),
        ("GPU-8932f937,GPU-1", 2),
        ("MIG-GPU-8932f937/1/2,MIG-GPU-8932f937/1/3", 1),
        ("0,1,2,3,4,5,6,7", 4),
        ("9", 1),
        ("all", 1),
    ],
)
def test_gpus_are_asked_for_up_to_the_entry_that_ends_the_list(setting, asked):
    """By the CUDA Programming Guide, whose own example is "0,2,-1,1"."""
    assert asked_gpus(4, setting) == asked
    assert asked_gpus(0, setting) == 0


def test_a_machine_without_any_of_it_has_none(tmp_path):
    assert (tpu_chips(tmp_path), tpu_files(tmp_path), nvidia_gpus(tmp_path)) == ([], [], [])
