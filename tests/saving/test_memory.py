import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import bert_keras
from bert_keras import BertConfig, BertEncoder
from bert_keras.saving.keras_hub import NAMES
from bert_keras.saving.names import bert_variables

# VmHWM, since ru_maxrss of a child begins at what its parent had.
PEAK = """
import re, sys, bert_keras
def status(key):
    with open("/proc/self/status") as file:
        return 1024 * int(re.search(key + r":\\s+(\\d+) kB", file.read())[1])
bert_keras.BertEncoder(bert_keras.BertConfig.from_preset("tiny", vocab_size=8))
before = status("VmRSS")
model = bert_keras.load(sys.argv[1])
print(status("VmHWM") - before)
"""
CONFIG = BertConfig.from_preset("base")


def _write_keras_hub(path: Path) -> None:
    """A preset of BERT-base's shape, all zeros; its size is the same."""
    path.mkdir()
    settings = {"vocabulary_size": CONFIG.vocab_size, "num_layers": CONFIG.num_hidden_layers}
    values = {"class_name": "BertBackbone", "registered_name": "", "config": settings}
    (path / "config.json").write_text(json.dumps(values))
    with h5py.File(path / "model.weights.h5", "w") as file:
        for path_of_ours, shape in bert_variables(CONFIG):
            weight = NAMES.weight(path_of_ours, shape, CONFIG)
            if not weight.component.endswith("_head"):
                for name in weight.names:
                    file[name] = np.zeros(weight.shape, "float32")


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["huggingface", "google", "keras", "keras-hub"])
def test_loading_base_takes_the_model_and_the_files_own_size_again_at_most(
    layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    if layout == "keras-hub":
        _write_keras_hub(path := tmp_path / "base")
    else:
        path = path if layout == "keras" else tmp_path / "base"
        bert_keras.save(BertEncoder(CONFIG), path, format=layout)
    files = path.iterdir() if path.is_dir() else [path]
    size = sum(file.stat().st_size for file in files)
    result = subprocess.run(
        [sys.executable, "-c", PEAK, path], check=True, capture_output=True, text=True, timeout=300
    )
    peak = int(result.stdout.split()[-1])
    # The weights themselves are one size; reading them may take another.
    assert size * 0.99 < peak < 2 * size, f"{peak / size:.2f} times the file"
