import logging
import resource
import shutil
import signal
from dataclasses import dataclass, replace

import keras
import numpy as np
import pytest

from bert_keras.errors import Diverged, InputError
from bert_keras.optimizers import AdamW
from bert_keras.training.checkpoint import Checkpoints
from bert_keras.training.state import RunState


def make_state(units=3, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((2,)), keras.layers.Dense(units, name="dense")]
    model = keras.Sequential(layers, name="net")
    optimizer = AdamW(1e-3)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def save(checkpoints, step, *model_and_optimizer):
    checkpoints.save(RunState(step=step), *model_and_optimizer)
    checkpoints.wait()


@pytest.fixture
def two(tmp_path):
    """Checkpoints of step 1, where the bias is 1, and step 2, where it is 2."""
    model, optimizer = make_state()
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2):
        model.weights[1].assign([step] * 3)
        save(checkpoints, step, model, optimizer)
    return checkpoints, model, optimizer


def test_every_variable_and_the_position_come_back_bit_for_bit(tmp_path):
    model, optimizer = make_state()
    optimizer.apply([np.ones((2, 3), "float32"), np.ones(3, "float32")])
    checkpoints = Checkpoints(tmp_path, keep=2)
    state = RunState(
        seed=3,
        step=5,
        phase=1,
        epoch_offsets=[0, 10**12],
        losses=[0.1, 1 / 3],
        window={"mlm_loss": [0.1 + 0.2, 7.0]},
        skipped=[[1, 2, 3]],
        roll_backs=1,
        evaluation_is_due=True,
    )
    checkpoints.save(state, model, optimizer)
    checkpoints.wait()
    other, other_optimizer = make_state(seed=1)
    assert checkpoints.restore_latest(other, other_optimizer, RunState(seed=3)) == state
    before = [*model.weights, *optimizer.variables]
    after = [*other.weights, *other_optimizer.variables]
    for variable, restored in zip(before, after, strict=True):
        assert variable.numpy().tobytes() == restored.numpy().tobytes()


def test_training_goes_on_while_a_checkpoint_is_written_and_does_not_change_it(tmp_path):
    model, optimizer = make_state()
    checkpoints = Checkpoints(tmp_path, keep=2)
    model.weights[1].assign([1.0] * 3)
    checkpoints.save(RunState(step=1), model, optimizer)
    model.weights[1].assign([2.0] * 3)
    checkpoints.wait()
    checkpoints.restore_latest(model, optimizer)
    np.testing.assert_array_equal(model.weights[1], [1.0] * 3)


def test_only_the_newest_are_kept(tmp_path):
    model, optimizer = make_state()
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step in (1, 2, 10):
        save(checkpoints, step, model, optimizer)
    assert checkpoints.steps() == [2, 10]


def test_without_a_checkpoint_nothing_is_restored(tmp_path):
    assert Checkpoints(tmp_path / "none", keep=2).restore_latest(*make_state()) is None


def cut(file):
    file.write_bytes(file.read_bytes()[:-10])


def empty(file):
    file.write_bytes(b"")


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)


def change_the_position(file):
    content = file.read_bytes()
    file.write_bytes(content.replace(b'step\\\\\\": 2', b'step\\\\\\": 3'))


@pytest.mark.parametrize("damage", [cut, empty, flip_a_bit, change_the_position])
def test_a_damaged_checkpoint_is_passed_over_with_a_word(two, damage, caplog):
    checkpoints, model, optimizer = two
    newest = checkpoints.directory / "step-000000002.safetensors"
    whole = newest.read_bytes()
    damage(newest)
    assert newest.read_bytes() != whole
    assert checkpoints.restore_latest(model, optimizer).step == 1
    np.testing.assert_array_equal(model.weights[1], [1.0] * 3)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "step-000000002.safetensors is skipped" in record.getMessage()
    assert "\n" not in record.getMessage()
    # Set aside: it neither counts as one of the newest nor hides the next of its step.
    assert checkpoints.steps() == [1]


def test_where_all_are_damaged_the_run_stops_and_leaves_them(two):
    checkpoints, model, optimizer = two
    for step in (1, 2):
        cut(checkpoints.directory / f"step-{step:09d}.safetensors")
    before = sorted((p.name, p.read_bytes()) for p in checkpoints.directory.iterdir())
    for _ in range(2):  # and the next time again
        with pytest.raises(InputError, match="are damaged; to start again remove that folder"):
            checkpoints.restore_latest(model, optimizer)
    assert sorted((p.name, p.read_bytes()) for p in checkpoints.directory.iterdir()) == before


@pytest.mark.parametrize("name", [2, 7])
def test_a_checkpoint_by_the_name_of_another_step_is_passed_over_with_a_word(two, name, caplog):
    checkpoints, model, optimizer = two
    older, newer = (checkpoints.directory / f"step-{step:09d}.safetensors" for step in (1, name))
    shutil.copyfile(older, newer)
    assert checkpoints.restore_latest(model, optimizer).step == (1 if name == 2 else 2)
    assert f"{newer} is skipped: its content is the checkpoint of step 1" in caplog.text
    assert newer.with_suffix(".damaged").exists()


@pytest.mark.parametrize(("until", "step"), [(3, 2), (2, 2), (1, 1)])
def test_who_goes_back_gets_the_newest_up_to_and_with_a_step(two, until, step):
    checkpoints, model, optimizer = two
    assert checkpoints.restore_latest(model, optimizer, until=until) == RunState(step=step)
    assert model.weights[1].numpy().tolist() == [step] * 3
    assert checkpoints.restore_latest(model, optimizer, until=0) is None


def test_a_process_that_may_not_write_changes_nothing(two):
    checkpoints, model, optimizer = two
    cut(checkpoints.directory / "step-000000002.safetensors")
    (checkpoints.directory / ".step-000000003.safetensors.00abcdef.bert_keras.tmp").write_bytes(
        b"half"
    )
    before = sorted((p.name, p.read_bytes()) for p in checkpoints.directory.iterdir())
    reader = Checkpoints(checkpoints.directory, keep=1, is_writer=False)
    assert reader.restore_latest(model, optimizer).step == 1
    save(reader, 4, model, optimizer)
    reader.delete_after(0)
    assert sorted((p.name, p.read_bytes()) for p in checkpoints.directory.iterdir()) == before


def test_what_a_killed_process_left_half_written_is_cleared_away(two):
    checkpoints, model, optimizer = two
    left = checkpoints.directory / ".step-000000003.safetensors.00abcdef.bert_keras.tmp"
    left.write_bytes(b"half")
    assert checkpoints.restore_latest(model, optimizer).step == 2
    assert not left.exists()


@dataclass
class LaterState(RunState):
    """The position of a run as another version keeps it."""

    temperature: float = 1.0


def test_a_checkpoint_of_another_version_is_refused_and_stays(two):
    checkpoints, model, optimizer = two
    checkpoints.save(LaterState(step=3), model, optimizer)
    checkpoints.wait()
    with pytest.raises(InputError, match=r"another version .* in temperature; finish the run with"):
        checkpoints.restore_latest(model, optimizer)
    assert checkpoints.steps() == [2, 3]


def test_a_checkpoint_that_cannot_be_read_at_the_moment_is_not_taken_for_damaged(two):
    checkpoints, model, optimizer = two
    (checkpoints.directory / "step-000000003.safetensors").mkdir()
    with pytest.raises(IsADirectoryError):
        checkpoints.restore_latest(model, optimizer)
    assert checkpoints.steps() == [1, 2, 3]


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="symbolic links"):
        Checkpoints(tmp_path / "loop", keep=2).restore_latest(*make_state())


def test_what_the_writer_sets_aside_meanwhile_the_others_pass_over(two):
    checkpoints, model, optimizer = two
    (checkpoints.directory / "step-000000003.safetensors").symlink_to("gone")
    with pytest.raises(FileNotFoundError):
        checkpoints.restore_latest(model, optimizer)
    reader = Checkpoints(checkpoints.directory, keep=2, is_writer=False)
    assert reader.restore_latest(model, optimizer).step == 2


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=2)
    save(checkpoints, 1, *make_state(units=3))
    with pytest.raises(InputError, match="another model"):
        checkpoints.restore_latest(*make_state(units=4))


def test_a_checkpoint_of_another_seed_is_refused(two):
    checkpoints, model, optimizer = two
    with pytest.raises(InputError, match=r"train.seed = 0, this one has 1"):
        checkpoints.restore_latest(model, optimizer, RunState(seed=1))


def test_a_checkpoint_of_another_run_is_refused_and_stays(two):
    checkpoints, model, optimizer = two
    checkpoints.save(RunState(step=3, run_id="theirs"), model, optimizer)
    checkpoints.wait()
    for beginning in (RunState(run_id="ours"), RunState()):
        with pytest.raises(InputError, match=r"step-000000003\.safetensors is not of the run that"):
            checkpoints.restore_latest(model, optimizer, beginning)
    assert checkpoints.restore_latest(model, optimizer, RunState(run_id="theirs")).step == 3


def test_the_content_of_what_was_read_is_told_by_its_hash(two):
    checkpoints, model, optimizer = two
    hashes = []
    for until in (0, 1, 2, 2):
        checkpoints.restore_latest(model, optimizer, until=until)
        hashes.append(checkpoints.restored_sha256)
    assert "" == hashes[0] != hashes[1] != hashes[2] == hashes[3]


def test_weights_that_are_no_numbers_are_not_written(two):
    checkpoints, model, optimizer = two
    model.weights[0].assign(np.full((2, 3), np.nan))
    with pytest.raises(Diverged, match="dense/kernel is not finite after step 3"):
        save(checkpoints, 3, model, optimizer)
    assert checkpoints.steps() == [1, 2]


@pytest.fixture
def no_space():
    """Files longer than some bytes cannot be written, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_older_checkpoints_and_is_told_at_the_next(two, no_space, caplog):
    checkpoints, model, optimizer = two
    checkpoints.save(RunState(step=3), model, optimizer)
    with pytest.raises(OSError, match="File too large") as error:
        checkpoints.save(RunState(step=4), model, optimizer)
    assert str(error.value.filename).endswith("step-000000004.safetensors")
    assert "step-000000003.safetensors" in caplog.text
    no_space()
    assert [path.name for path in sorted(checkpoints.directory.iterdir())] == [
        "step-000000001.safetensors",
        "step-000000002.safetensors",
    ]
    assert checkpoints.restore_latest(model, optimizer).step == 2


def test_a_disk_that_was_full_for_a_while_costs_nothing(two, no_space):
    checkpoints, model, optimizer = two
    checkpoints.save(RunState(step=3), model, optimizer)
    checkpoints._thread.join()
    no_space()
    checkpoints.save(RunState(step=4), model, optimizer)
    assert checkpoints.steps() == [2, 4]


def test_the_bytes_depend_on_the_state_alone(tmp_path):
    files = []
    for folder in ("a", "b"):
        checkpoints = Checkpoints(tmp_path / folder, keep=2)
        state = replace(RunState(step=1), losses=[1.0])
        checkpoints.save(state, *make_state())
        checkpoints.wait()
        (file,) = (tmp_path / folder).iterdir()
        files.append(file.read_bytes())
    assert files[0] == files[1]
