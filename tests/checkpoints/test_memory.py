import subprocess
import sys
from pathlib import Path

import pytest

import bert_keras
from bert_keras import BertConfig, BertEncoder

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


@pytest.mark.slow
def test_loading_base_takes_the_model_and_the_files_own_size_again_at_most(tmp_path: Path) -> None:
    bert_keras.save(BertEncoder(BertConfig.from_preset("base")), tmp_path / "base")
    size = (tmp_path / "base" / "model.safetensors").stat().st_size
    result = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path / "base"],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    peak = int(result.stdout.split()[-1])
    # The weights themselves are one size; reading them may take another.
    assert size < peak < 2 * size, f"{peak / size:.2f} times the file"
