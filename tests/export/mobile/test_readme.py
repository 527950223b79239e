"""What export/mobile/README.md says of the files, beside files; its Python, run."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from bert_keras.export import export_tflite
from bert_keras.export.tflite.interpreter import TextModel, make_interpreter
from bert_keras.export.tflite.text_input import PLACES
from bert_keras.tasks import predict
from tests.export.mobile.programs import OPEN, SHOWN, blocks_of

TASKS = {
    "classification": "classification",
    "pair classification": "pairs",
    "next sentence": "next_sentence",
    "multi-label": "multi_label",
    "regression": "regression",
    "tagging": "tagging",
    "span": "span",
    "multiple choice": "multiple_choice",
    "masked LM": "masked_lm",
    "encoder": "encoder",
    "sentence embedding": "sentence_embedding",
}
IDS = ["attention_mask", "input_ids", "token_type_ids"]


@pytest.fixture(scope="module")
def readme(repository):
    return repository / "export" / "mobile" / "README.md"


@pytest.fixture(scope="module")
def table(readme):
    """The text inputs and the outputs of each task, in the README's order."""
    text = readme.read_text()
    start = text.index("| task | text inputs | outputs | values |")
    rows = text[start:].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {
        task: (re.findall(r"`(\w+)`", inputs), re.findall(r"`(\w+)` \[([^\]]*)\]", outputs))
        for task, inputs, outputs, _ in cells
    }


def names_by_number(interpreter):
    """The names of a signature in the order of the file's tensors."""
    (name,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(name)
    orders = []
    for details, tensors in (
        (runner.get_input_details(), interpreter.get_input_details()),
        (runner.get_output_details(), interpreter.get_output_details()),
    ):
        of_tensor = {detail["index"]: name for name, detail in details.items()}
        orders.append([of_tensor[tensor["index"]] for tensor in tensors])
    return orders


def test_the_table_has_every_task(table):
    assert list(table) == list(TASKS)


@pytest.mark.system
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dynamic", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_names_orders_shapes_and_dtypes_of_ids(table, make_model, tmp_path, task, dynamic):
    model = make_model(TASKS[task])
    export_tflite(model, None, tmp_path / "m.tflite", length=24, dynamic=dynamic)
    interpreter = make_interpreter(model_content=(tmp_path / "m.tflite").read_bytes())
    inputs, outputs = names_by_number(interpreter)
    assert inputs == IDS
    assert outputs == [name for name, _ in table[task][1]]
    assert list(interpreter.get_signature_list()) == ["tokens"]
    open_size = -1 if dynamic else 24
    sizes = {
        "B": -1 if dynamic else 1, "L": open_size, "H": model.config.hidden_size,
        "V": model.config.vocab_size, "labels": len(getattr(model, "labels", ())), "2": 2,
        "numbers": 1,
    }  # fmt: skip
    runner = interpreter.get_signature_runner("tokens")
    for name, detail in runner.get_input_details().items():
        assert detail["dtype"] is np.int32
        assert list(detail["shape_signature"]) == [sizes["B"], open_size], name
    for name, shape in table[task][1]:
        detail = runner.get_output_details()[name]
        assert detail["dtype"] is np.float32
        expected = [sizes[axis] for axis in shape.split(", ")]
        assert list(detail["shape_signature"]) == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("task", list(TASKS))
def test_names_and_orders_of_text(readme, table, make_model, tmp_path, task):
    inputs, outputs = table[task]
    followed = readme.read_text().split("are followed by")[1].split("int32")[0]
    places = re.findall(r"`(\w+)`", followed)
    assert set(places) == set(PLACES)
    is_pair = task in ("pair classification", "next sentence", "multiple choice")
    export_tflite(
        make_model(TASKS[task]), None, tmp_path / "m.tflite", length=24, input="text", pair=is_pair
    )
    phone = TextModel((tmp_path / "m.tflite").read_bytes())
    given, found = names_by_number(phone._interpreter)
    names = [name for name, _ in outputs]
    by_token = any("L" in shape.split(", ") for _, shape in outputs)
    assert (given, found) == (inputs, [*names, *(places if by_token else ())])


def test_every_language_has_a_snippet_for_every_task(readme):
    for language, titles in SHOWN.items():
        assert set(blocks_of(readme, language)) == {OPEN, *titles}
    assert list(SHOWN["kotlin"]) == list(SHOWN["swift"])


def test_snippets_ask_by_the_files_names(readme, table):
    """Inputs are an encoding's own; outputs are some task's."""
    outputs = {name for _, found in table.values() for name, _ in found}
    pairs = {"input_ids": "inputIds", "attention_mask": "attentionMask",
             "token_type_ids": "tokenTypeIds"}  # fmt: skip
    patterns = {
        "kotlin": (r'"(\w+)" to arrayOf\(encoded\.(\w+)\)', r'"(\w+)" to (?!arrayOf)'),
        "swift": (r'"(\w+)": data\(encoded\.(\w+)\)', r'output\("(\w+)"\)'),
    }
    for language, (asked, answered) in patterns.items():
        blocks = blocks_of(readme, language)
        assert dict(re.findall(asked, blocks.pop(OPEN))) == pairs
        assert set(re.findall(answered, "\n".join(blocks.values()))) == outputs


@pytest.mark.system
def test_the_native_lines_name_what_is_in_the_file(readme, make_model, tmp_path):
    (code,) = re.findall(r"```cpp\n(.*?)```", readme.read_text(), re.S)
    export_tflite(make_model("classification"), None, tmp_path / "m.tflite", length=16,
                  input="text")  # fmt: skip
    interpreter = TextModel((tmp_path / "m.tflite").read_bytes())._interpreter
    signatures = interpreter.get_signature_list()
    (signature,) = re.findall(r'GetSignatureRunner\("(\w+)"\)', code)
    assert re.findall(r'input_tensor\("(\w+)"\)', code) == signatures[signature]["inputs"]
    assert re.findall(r'output_tensor\("(\w+)"\)', code) == signatures[signature]["outputs"]


@pytest.mark.slow
def test_the_python_for_ids_answers_as_predict(readme, make_model, tmp_path):
    pytest.importorskip("ai_edge_litert")
    model, text = make_model("classification"), "The ferry to the island was late again."
    export_tflite(model, None, tmp_path / "sst2.tflite", length=32)
    encoding = model.tokenizer.encode(text)
    missing = 32 - len(encoding.input_ids)
    rows = {
        "ids": encoding.input_ids + [model.tokenizer.pad_id] * missing,
        "mask": [1] * (32 - missing) + [0] * missing,
        "types": [0] * 32,
    }
    arrays = "; ".join(f"{name} = np.array([{row}], np.int32)" for name, row in rows.items())
    given = run_python(readme, tmp_path, "ai_edge_litert", f"import numpy as np; {arrays}")
    expected = list(predict(model, [text])[0]["scores"].values())
    np.testing.assert_allclose(given, expected, atol=1e-4)


@pytest.mark.system
@pytest.mark.slow
def test_the_python_for_text_answers_as_predict(readme, make_model, tmp_path):
    model = make_model("classification")
    export_tflite(model, None, tmp_path / "sst2.tflite", length=32, input="text")
    given = run_python(readme, tmp_path, "tensorflow_text")
    expected = list(predict(model, ["a fine film"])[0]["scores"].values())
    np.testing.assert_allclose(given, expected, atol=1e-4)


def run_python(readme, folder, imported, before=""):
    """The probabilities that one of the README's blocks finds, in a process of its own."""
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(), re.S)
    (code,) = [block for block in blocks if imported in block]
    program = f"{before}\n{code}\nprint(probabilities[0].tolist())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
