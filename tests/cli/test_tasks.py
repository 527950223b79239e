import csv
import io
import json
from dataclasses import replace

import pytest

from bert_keras.config import PretrainConfig, to_tables
from bert_keras.modeling import BertEncoder
from bert_keras.saving import load, save
from bert_keras.saving.mark import RunMark
from bert_keras.tasks import task_of
from bert_keras.tokenization import BertTokenizer, Casing, learn_vocabulary
from tests.support.commands import output, refused, run
from tests.support.models import small_config

ROWS = ["a fine film\tgood", "lovely and warm\tgood", "a dull film\tbad", "cold and slow\tbad"] * 8
RECIPE = """
[data]
max_seq_length = 16
[optimizer]
learning_rate = 5e-3
[train]
epochs = 15
batch_size = 16
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, rows and a recipe, and a run on them."""
    folder = tmp_path_factory.mktemp("made")
    tokenizer = BertTokenizer(learn_vocabulary(ROWS, 80, Casing()))
    config = small_config(tokenizer.vocab_size, max_position_embeddings=32, initializer_range=0.1)
    save(BertEncoder(config), folder / "encoder", tokenizer)
    (folder / "train.tsv").write_text("\n".join(ROWS) + "\n")
    (folder / "recipe.toml").write_text(RECIPE)
    arguments = ["--model", folder / "encoder", "--train", folder / "train.tsv"]
    arguments += ["--dev", folder / "train.tsv", "--workdir", folder / "run"]
    run("finetune", folder / "recipe.toml", *arguments)
    return folder


@pytest.fixture(scope="module")
def for_pairs(made):
    """The run's model, as if it had been trained on pairs too."""
    model = load(made / "run")
    model.other_config |= replace(task_of(model), trained_on="both").remembered()
    save(model, made / "for-pairs")
    return made / "for-pairs"


def test_evaluate_gives_metrics_as_one_json_object(made, capsys):
    text = output(capsys, "evaluate", made / "run", "--data", made / "train.tsv", "--json")
    metrics = json.loads(text)
    assert metrics["accuracy"] > 0.9
    assert {
        "f1_good",
        "f1_bad",
        "macro_f1",
        "matthews_correlation",
        "classification_loss",
    } <= metrics.keys()


def test_evaluate_shows_metrics_confusion_and_mistakes(made, tmp_path, capsys):
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("a fine film\tgood\na dull film\tgood\n")
    text = output(capsys, "evaluate", made / "run", "--data", wrong)
    assert ["accuracy", "0.5000"] in [line.split() for line in text.splitlines()]
    assert "right labels (rows), given labels (columns)" in text
    assert "1 of 1 mistakes, by confidence" in text
    assert "a dull film" in text


def test_predict_answers_arguments_files_and_pipes_alike(made, tmp_path, capsys, monkeypatch):
    texts = ["a fine film", "cold and slow"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\n".join(texts).encode())))
    ways = [texts, ["--input", tmp_path / "texts.txt"], ["--input", "-"]]
    answers = [
        json.loads(output(capsys, "predict", made / "run", *way, "--json"))["predictions"]
        for way in ways
    ]
    assert [answer["label"] for answer in answers[0]] == ["good", "bad"]
    assert answers[0] == answers[1] == answers[2]


def test_predict_prints_a_table_in_the_order_of_the_input(made, capsys):
    text = output(capsys, "predict", made / "run", "cold and slow", "a fine film", "[x]")
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert lines[0] == ["text", "label", "score"]
    assert [line[-2] for line in lines[1:3]] == ["bad", "good"]
    assert lines[3][0] == "[x]"


def test_predict_answers_every_row_of_a_file_in_its_order(made, tmp_path, capsys):
    data = tmp_path / "rows.tsv"
    data.write_text("idx\ttext\tlabel\na7\ta fine film\tgood\na8\t\tbad\na9\tcold and slow\tbad\n")
    capsys.readouterr()
    run("predict", made / "run", "--input", data, "--json")
    captured = capsys.readouterr()
    first, empty, last = json.loads(captured.out)["predictions"]
    assert (first["row"], first["id"], first["label"]) == (2, "a7", "good")
    assert empty is None
    assert (last["row"], last["id"], last["label"]) == (4, "a9", "bad")
    assert f"{data}, row 3: the text is empty; its answer is null" in captured.err
    assert f"{data}: the column 'idx' is taken for the rows' id" in captured.err
    text = output(capsys, "predict", made / "run", "--input", data)
    lines = [line.split() for line in text.splitlines() if line.strip()]
    assert [line[0] for line in lines] == ["row", "2", "3", "4"]
    assert lines[2][1:] == ["(no", "text)"]


def test_carriage_returns_on_standard_input_end_no_line(made, capsys, monkeypatch):
    data = b"a fine\rfilm\ncold and slow\r\na dull film\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    answers = json.loads(output(capsys, "predict", made / "run", "--input", "-", "--json"))
    assert [answer["row"] for answer in answers["predictions"]] == [1, 2, 3]


def test_predict_writes_its_answers_to_a_new_file(made, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    texts = ["a fine film", "cold and slow"]
    assert output(capsys, "predict", made / "run", *texts, "--out", out) == ""
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["text"], row["label"]) for row in rows] == [
        ("1", texts[0], "good"),
        ("2", texts[1], "bad"),
    ]
    before = out.read_bytes()
    assert "already exists" in refused(capsys, "predict", made / "run", *texts, "--out", out)
    assert out.read_bytes() == before
    line = refused(capsys, "predict", made / "run", *texts, "--out", tmp_path / "a.json")
    assert ".json is SQuAD's format" in line
    line = refused(capsys, "predict", made / "run", *texts, "--null-odds", tmp_path / "a.csv")
    assert "--null-odds takes a .json file" in line


def test_predict_takes_its_options_before_and_after_the_texts(made, capsys):
    texts = ["a fine film", "cold and slow"]
    after = output(capsys, "predict", made / "run", *texts, "--json")
    assert output(capsys, "predict", made / "run", "--json", *texts) == after
    assert output(capsys, "predict", "--json", made / "run", texts[0], "--max-length", 9, texts[1])


def test_bytes_of_a_text_that_are_not_utf8_are_replaced(for_pairs, capsys):
    texts = ["caf\udce9 film", "--pair", "th\udce9 fun"]  # so the command line hands them on
    shown = output(capsys, "predict", for_pairs, *texts)
    assert "caf\ufffd film" in shown
    assert "th\ufffd fun" in shown


def test_evaluate_shows_both_texts_of_a_pair(for_pairs, tmp_path, capsys):
    pair = f"a dull film {'x' * 90}\tno fun at all"
    (tmp_path / "pairs.tsv").write_text(f"{pair}\tgood\n{pair}\tbad\n")
    text = output(capsys, "evaluate", for_pairs, "--data", tmp_path / "pairs.tsv")
    assert "a dull film" in text
    assert "no fun at all" in text


@pytest.mark.system
def test_finetune_says_how_to_get_dev_examples(made, tmp_path, capsys):
    arguments = ["--model", made / "encoder", "--train", made / "train.tsv"]
    arguments += ["--workdir", tmp_path / "run", "--set", "train.steps=1"]
    capsys.readouterr()
    run("finetune", made / "recipe.toml", *arguments)
    assert "no dev examples to choose the best model by" in capsys.readouterr().err


class TestMistakes:
    def test_a_length_that_the_model_does_not_read(self, made, capsys):
        line = refused(capsys, "predict", made / "run", "a film " * 40, "--max-length", 33)
        assert "is 33, but the model reads 32 tokens at most" in line

    def test_no_text_and_no_file(self, made, capsys):
        assert "takes texts, or --input FILE" in refused(capsys, "predict", made / "run")

    def test_a_model_without_a_head(self, made, capsys):
        assert "bert-keras finetune" in refused(capsys, "predict", made / "encoder", "a film")

    def test_an_unknown_label(self, made, tmp_path, capsys):
        (tmp_path / "odd.tsv").write_text("a fine film\todd\n")
        line = refused(capsys, "evaluate", made / "run", "--data", tmp_path / "odd.tsv")
        assert "row 1" in line
        assert "'odd' is none of the model's: bad, good" in line

    def test_a_file_in_another_encoding(self, made, tmp_path, capsys):
        (tmp_path / "gbk.tsv").write_bytes("酒店很好，服务也很好\t1\n".encode("gbk") * 20)
        line = refused(capsys, "evaluate", made / "run", "--data", tmp_path / "gbk.tsv")
        assert "iconv -f GB18030 -t UTF-8" in line

    def test_a_key_of_no_task(self, made, tmp_path, capsys):
        recipe = made / "recipe.toml"
        command = ["finetune", recipe, "--workdir", tmp_path / "run", "--set", "data.doc_strid=5"]
        line = refused(capsys, *command)
        assert f"{recipe} --set data.doc_strid=5: unknown key data.doc_strid" in line

    def test_no_model_and_no_examples(self, made, tmp_path, capsys):
        command = ["finetune", made / "recipe.toml", "--workdir", tmp_path / "run"]
        assert "pass --model MODEL" in refused(capsys, *command)
        assert "pass --train FILE" in refused(capsys, *command, "--model", made / "encoder")

    def test_a_work_directory_of_a_pretraining_run(self, made, tmp_path, capsys):
        (tmp_path / "run" / "checkpoints").mkdir(parents=True)
        config = to_tables(PretrainConfig())
        RunMark(command="pretrain", config=config, data={}).write(tmp_path / "run")
        (tmp_path / "run" / "checkpoints" / "step-000000001.safetensors").touch()
        arguments = ["--model", made / "encoder", "--train", made / "train.tsv"]
        arguments += ["--workdir", tmp_path / "run"]
        line = refused(capsys, "finetune", made / "recipe.toml", *arguments)
        assert "belongs to a run of pretrain, not of finetune" in line


@pytest.mark.system
def test_columns_and_scheme_of_tags_are_found_said_and_kept(made, tmp_path, capsys):
    rows = "# id 1\n1 fine S-x\n2 film O\n\n1 a B-x\n2 dull E-x\n\n"
    (tmp_path / "train.txt").write_text(rows * 8)
    (tmp_path / "iob.txt").write_text("# id 1\n\n1 fine B-x\n2 film O\n\n1 a B-x\n2 dull I-x\n")
    (tmp_path / "raw.txt").write_text("# fine film\na dull film\n")
    settings = ["data.task='tagging'", "train.epochs=25", "data.word_column=2"]
    arguments = ["--model", made / "encoder", "--train", tmp_path / "train.txt"]
    arguments += ["--dev", tmp_path / "train.txt", "--workdir", tmp_path / "run"]
    arguments += [part for setting in settings for part in ("--set", setting)]
    run("finetune", made / "recipe.toml", *arguments)
    said = capsys.readouterr().err
    assert "train.txt: 16 sentences, word = column 2 ('fine'), tag = column 3 ('S-x')" in said
    assert "the tags are BIOES; types of entities: x" in said
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["tagging_task"]["tag_scheme"] == "BIOES"
    own, other = (
        json.loads(output(capsys, "evaluate", tmp_path / "run", "--data", path, "--json"))
        for path in (tmp_path / "train.txt", tmp_path / "iob.txt")
    )
    assert own["f1"] == other["f1"] == other["accuracy"] == 1.0
    strict = ["--strict-entities", "--tag-column", "3", "--json"]
    path = tmp_path / "iob.txt"
    assert (
        json.loads(output(capsys, "evaluate", tmp_path / "run", "--data", path, *strict)) == other
    )
    (first, _) = json.loads(
        output(capsys, "predict", tmp_path / "run", "--input", tmp_path / "iob.txt", "--json")
    )["predictions"]
    assert [entity["text"] for entity in first["entities"]] == ["fine"]
    raw = json.loads(
        output(capsys, "predict", tmp_path / "run", "--input", tmp_path / "raw.txt", "--json")
    )["predictions"]
    assert raw[1]["words"] == ["a", "dull", "film"]
    line = refused(capsys, "evaluate", tmp_path / "run", "--data", tmp_path / "raw.txt")
    assert "raw.txt is read as raw text, which has no tags" in line
