import json
import re
import shutil

import pytest

from bert_keras.__main__ import run as main
from bert_keras.config import BertConfig
from bert_keras.errors import InputError
from bert_keras.export.samples import SENTENCES
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.saving import save
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    tokenizer = BertTokenizer(learn_vocabulary(SENTENCES, 300, Casing()))
    config = BertConfig.from_preset(
        "tiny", vocab_size=tokenizer.vocab_size, max_position_embeddings=32
    )
    path = tmp_path_factory.mktemp("models") / "model"
    save(BertForSequenceClassification(config), path, tokenizer)
    return path


@pytest.mark.system
def test_saved_model_writes_a_version_and_says_how_it_was_proven(model_path, tmp_path, capsys):
    (tmp_path / "export.toml").write_text("[saved_model]\nmax_length = 24\npair = true\n")
    arguments = [model_path, tmp_path / "served", "--config", tmp_path / "export.toml"]
    assert main(["export", "saved-model", *map(str, arguments), "--max-length", "20"]) == 0
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path / 'served' / '1'}: a BertForSequenceClassification"
    assert any("import tensorflow_text, then tf.saved_model.load" in row for row in rows)
    lines = dict(row.strip().rsplit(maxsplit=1) for row in rows if row.strip())
    assert lines["tokens that differ"] == "0"
    assert float(lines["largest difference"]) < 1e-4
    report = json.loads((tmp_path / "served" / "1" / "export_report.json").read_text())
    assert report["settings"]["max_length"] == 20  # the option wins over the file
    assert report["settings"]["pair"] is True
    assert set(report["signatures"]["serving_default"]["inputs"]) == {"text_a", "text_b"}


@pytest.mark.system
def test_settings_that_the_package_ships_are_found_in_any_folder(model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ["--config", "configs/export/serving.toml", "--max-length", "20"]
    assert main(["export", "saved-model", str(model_path), "served", *given]) == 0
    report = json.loads((tmp_path / "served" / "1" / "export_report.json").read_text())
    assert report["settings"]["max_request_tokens"] == 32768


def test_mistakes_are_one_line(model_path, tmp_path, capsys):
    (tmp_path / "export.toml").write_text("[saved_model]\nmaxlength = 24\n")
    command = ["export", "saved-model", str(model_path), str(tmp_path / "out")]
    assert main([*command, "--config", str(tmp_path / "export.toml")]) == 1
    assert "did you mean 'max_length'?" in capsys.readouterr().err
    assert main([*command, "--max-length", "33"]) == 1
    assert "the model reads 32 tokens at most" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["export"])
    assert not (tmp_path / "out").exists()


def test_tflite_writes_a_file_and_a_table(model_path, tmp_path, capsys):
    out = tmp_path / "model.tflite"
    command = ["export", "tflite", str(model_path), str(out), "--length", "dynamic"]
    assert main([*command, "--quantize", "float16", "--max-accuracy-drop", "50"]) == 0
    first, measured, cut, *rows = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{out}: a BertForSequenceClassification, ")
    assert measured == "measured on 45 texts of built-in text"
    assert re.fullmatch(r"at 32 tokens \d+ of 45 texts are cut: [\d.]+% of all tokens .*", cut)
    table = {row.split()[0]: row.split() for row in rows if row.strip()}
    assert {"variant", "keras", "float32", "float16"} == set(table)
    assert float(table["float16"][1]) < float(table["float32"][1])
    assert out.stat().st_size > 100_000


@pytest.mark.system
@pytest.mark.parametrize(("rows", "said"), [(3, "the same that are measured"), (8, "others than")])
def test_tflite_says_where_the_ranges_are_from_and_what_few_rows_show(
    model_path, tmp_path, capsys, rows, said
):
    data = tmp_path / "dev.tsv"
    data.write_text("".join(f"The ferry was late {n}\tLABEL_{n % 2}\n" for n in range(rows)))
    command = ["export", "tflite", str(model_path), str(tmp_path / "m.tflite"), "--length", "16"]
    command += ["--quantize", "int8", "--data", str(data)]
    assert main([*command, "--max-accuracy-drop", "100"]) == 0
    out, err = capsys.readouterr()
    given = rows if rows < 4 else rows // 4
    assert f"ranges of 8 bits: from {given} texts of {data}, {said}" in out
    measured = rows if rows < 4 else rows - given
    assert f"is judged on {measured} texts of {data}: even with none of them lost" in err


@pytest.mark.parametrize(
    ("table", "options", "expected"),
    [
        ("dynamic = true", ["--length", "24"], (24, False)),
        ("dynamic = true\nlength = 20", [], (20, True)),
        ("length = 20", ["--length", "dynamic"], (20, True)),
        ("length = 20", ["--length", "24"], (24, False)),
        ("length = 20", [], (20, False)),
    ],
)
def test_a_given_length_wins_over_the_file(
    model_path, tmp_path, monkeypatch, table, options, expected
):
    (tmp_path / "export.toml").write_text(f"[tflite]\n{table}\n")
    seen = []

    def export_tflite(model, tokenizer, path, settings, data):
        seen.append((settings.length, settings.dynamic))
        raise InputError("enough")

    monkeypatch.setattr("bert_keras.export.export_tflite", export_tflite)
    command = ["export", "tflite", str(model_path), str(tmp_path / "m.tflite"), *options]
    assert main([*command, "--config", str(tmp_path / "export.toml")]) == 1
    assert seen == [expected]


def test_tflite_says_in_one_line_what_is_wrong(model_path, tmp_path, capsys):
    command = ["export", "tflite", str(model_path), str(tmp_path / "m.tflite")]
    assert main([*command, "--pair"]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "give --input text too" in error
    assert main([*command, "--length", "500"]) == 1
    assert "reads 32 tokens at most" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main([*command, "--length", "long"])
    assert caught.value.code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.system
def test_tflite_says_what_stays_of_the_vocabulary_and_how_text_is_read(
    model_path, tmp_path, capsys
):
    (tmp_path / "words.txt").write_text("The ferry to the island\n")
    command = ["export", "tflite", str(model_path), str(tmp_path / "m.tflite"), "--length", "16"]
    assert main([*command, "--prune-vocab", str(tmp_path / "words.txt"), "--input", "text"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(r"keras, whole .* keras .* float32 ", out)
    kept, before = re.search(r"vocabulary: (\d+) of (\d+) word pieces stay", out).groups()
    assert int(kept) < int(before)
    assert re.search(r"text in: \d+ tokens of \d+ texts are the tokenizer's", out)


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n", r"lacks \[MASK\]"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", "must be there once"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n\xff\xfe\n", "is not a vocabulary"),
        (
            b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n" + b"".join(b"%d\n" % n for n in range(9_999)),
            "do not belong together",
        ),
    ],
)
def test_tflite_refuses_a_corrupt_or_foreign_vocabulary(
    model_path, tmp_path, capsys, vocabulary, message
):
    shutil.copytree(model_path, tmp_path / "model")
    (tmp_path / "model" / "vocab.txt").write_bytes(vocabulary)
    out = tmp_path / "m.tflite"
    assert main(["export", "tflite", str(tmp_path / "model"), str(out), "--input", "text"]) == 1
    assert re.search(message, capsys.readouterr().err.strip().splitlines()[-1])
    assert not out.exists()
