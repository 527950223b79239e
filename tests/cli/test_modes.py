"""Everything that the commands write has the mode that the umask says: others may go on with it."""

import os
import shutil
from stat import S_IMODE

import pytest

from tests.support.commands import ROWS, run, write_texts

RECIPE = """
[train]
steps = 2
batch_size = 4
eval_every_steps = 2
[data]
max_seq_length = 16
"""
PRETRAIN = """max_predictions_per_seq = 3
[model]
preset = "tiny"
num_hidden_layers = 1
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("umask", "of_folders", "of_files"), [(0o022, 0o755, 0o644), (0o002, 0o775, 0o664),
                                          (0o077, 0o700, 0o600)],
)  # fmt: skip
def test_all_that_the_commands_write_has_the_mode_that_the_umask_says(
    tmp_path, umask, of_folders, of_files
):
    made = tmp_path / "made"
    texts, rows, vocab = tmp_path / "texts", tmp_path / "rows.tsv", made / "vocab.txt"
    write_texts(texts)
    rows.write_text("\n".join(ROWS) + "\n")
    (tmp_path / "finetune.toml").write_text(RECIPE)
    (tmp_path / "pretrain.toml").write_text(RECIPE + PRETRAIN)
    before = os.umask(umask)
    try:
        run("vocab", texts, "--out", vocab, "--size", "80")
        run("prepare", texts, "--vocab", vocab, "--out", made / "corpus")
        run("pretrain", tmp_path / "pretrain.toml", "--corpus", made / "corpus",
            "--workdir", made / "first")  # fmt: skip
        run("finetune", tmp_path / "finetune.toml", "--model", made / "first", "--train", rows,
            "--dev", rows, "--workdir", made / "tuned")  # fmt: skip
        shutil.rmtree(made / "tuned" / "model")
        run("finish", made / "tuned")
        for layout in ("huggingface", "google"):
            run("convert", made / "first", made / layout, "--to", layout)
        run("convert", made / "first", made / "model.keras", "--to", "keras")
        run("predict", made / "tuned", "--input", rows, "--out", made / "answers.csv")
        run("export", "saved-model", made / "tuned", made / "served")
        run("export", "tflite", made / "tuned", made / "model.tflite", "--length", "16")
    finally:
        os.umask(before)
    paths = [made, *made.rglob("*")]
    found = {str(path): oct(S_IMODE(path.stat().st_mode)) for path in paths}
    expected = {str(path): oct(of_folders if path.is_dir() else of_files) for path in paths}
    assert len([path for path in paths if path.is_dir()]) > 15
    assert found == expected
