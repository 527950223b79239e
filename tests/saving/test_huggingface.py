import json
import re
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import bert_keras
from bert_keras import (
    BertConfig,
    BertEncoder,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizer,
)
from bert_keras.errors import InputError

MODELS = (
    BertEncoder,
    BertForPreTraining,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertForQuestionAnswering,
)
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##c"]
CONFIG = BertConfig(
    vocab_size=8,
    hidden_size=4,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=6,
    max_position_embeddings=5,
)


def _random(model_class: Any = BertForPreTraining, seed: int = 0, **arguments: Any) -> Any:
    """A model none of whose weights is 0 or 1."""
    model, draw = model_class(CONFIG, **arguments), np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(draw.normal(size=weight.shape))
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    bert_keras.save(_random(), tmp_path / "model")
    return tmp_path / "model"


def _rewrite_weights(path: Path, change: Any) -> None:
    file = path / "model.safetensors"
    tensors = safetensors.numpy.load_file(file)
    change(tensors)
    safetensors.numpy.save_file(tensors, file)


def _rewrite_config(path: Path, **changes: Any) -> None:
    values = json.loads((path / "config.json").read_text()) | changes
    (path / "config.json").write_text(json.dumps(values))


def _refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        bert_keras.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_loaded_model_is_the_saved_one_bit_for_bit(model_class: Any, tmp_path: Path) -> None:
    model = _random(model_class)
    bert_keras.save(model, tmp_path / "model")
    loaded = bert_keras.load(tmp_path / "model")
    assert type(loaded) is model_class
    assert loaded.config == CONFIG
    assert len(model.trainable_weights) == len(loaded.trainable_weights)
    for ours, theirs in zip(model.trainable_weights, loaded.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs, err_msg=ours.path)
    batch = {"input_ids": tf.constant([[2, 5, 4, 3]])}
    for name, output in model(batch).items():
        np.testing.assert_array_equal(output, loaded(batch)[name])


def test_file_holds_each_weight_once_in_float32_under_the_known_names(saved: Path) -> None:
    tensors = safetensors.numpy.load_file(saved / "model.safetensors")
    assert {array.dtype for array in tensors.values()} == {np.dtype("float32")}
    assert {
        "bert.embeddings.word_embeddings.weight",
        "bert.encoder.layer.1.attention.self.query.weight",
        "bert.encoder.layer.0.output.LayerNorm.bias",
        "bert.pooler.dense.weight",
        "cls.predictions.bias",
        "cls.seq_relationship.weight",
    } < set(tensors)
    assert tensors["bert.encoder.layer.0.intermediate.dense.weight"].shape == (6, 4)


def test_files_may_be_read_by_whom_the_umask_lets(saved: Path) -> None:
    modes = {file.stat().st_mode for file in saved.iterdir()}
    assert len(modes) == 1


SAVE_AGAIN = """
import sys, bert_keras
bert_keras.save(bert_keras.load(sys.argv[1]), sys.argv[2])
"""


def test_bytes_of_the_weights_depend_on_the_weights_alone(saved: Path, tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "again")
    subprocess.run(
        [sys.executable, "-c", SAVE_AGAIN, saved, tmp_path / "elsewhere"], check=True, timeout=120
    )
    first = (saved / "model.safetensors").read_bytes()
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == first
    assert (tmp_path / "elsewhere" / "model.safetensors").read_bytes() == first


def test_model_that_a_killed_save_left_under_another_name_opens(saved: Path) -> None:
    saved.rename(saved.with_name(".model.abcdefgh.bert_keras.old"))
    assert isinstance(bert_keras.load(saved), BertForPreTraining)


def test_tokenizer_travels_with_the_model(tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "first", BertTokenizer(VOCAB))
    loaded = bert_keras.load(tmp_path / "first")
    bert_keras.save(loaded, tmp_path / "second")
    assert bert_keras.load(tmp_path / "second").tokenizer.vocab == VOCAB
    assert (tmp_path / "second" / "vocab.txt").read_text().split() == VOCAB


def test_model_without_vocabulary_has_no_tokenizer(saved: Path) -> None:
    assert bert_keras.load(saved).tokenizer is None


def test_foreign_config_keys_are_kept_and_written_back(saved: Path, tmp_path: Path) -> None:
    foreign = {"id2label": {"0": "no"}, "use_cache": True, "_name_or_path": "x"}
    _rewrite_config(saved, **foreign, torch_dtype="float16")
    bert_keras.save(bert_keras.load(saved), tmp_path / "again")
    written = json.loads((tmp_path / "again" / "config.json").read_text())
    assert foreign.items() <= written.items()
    # The new file is float32; the old word would make transformers round it.
    assert "torch_dtype" not in written
    assert CONFIG.to_dict().items() <= written.items()
    assert written["architectures"] == ["BertForPreTraining"]


def test_tied_decoder_and_position_ids_are_passed_over(saved: Path) -> None:
    def add(tensors: dict[str, np.ndarray]) -> None:
        words = tensors["bert.embeddings.word_embeddings.weight"]
        tensors["cls.predictions.decoder.weight"] = words.copy()
        tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"].copy()
        tensors["bert.embeddings.position_ids"] = np.arange(5)[None]

    before = bert_keras.load(saved)
    _rewrite_weights(saved, add)
    after = bert_keras.load(saved)
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_files_as_google_published_them_open_whole(saved: Path) -> None:
    """They say BertForMaskedLM, hold both heads and the pooler, and gamma and beta."""

    def rename(tensors: dict[str, np.ndarray]) -> None:
        for name in [name for name in tensors if "LayerNorm" in name]:
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensors.pop(name)

    before = bert_keras.load(saved)
    _rewrite_weights(saved, rename)
    _rewrite_config(saved, architectures=["BertForMaskedLM"])
    after = bert_keras.load(saved)
    assert type(after) is BertForPreTraining
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_half_precision_files_are_read_into_float32(saved: Path) -> None:
    def halve(tensors: dict[str, np.ndarray]) -> None:
        for name, array in tensors.items():
            tensors[name] = array.astype("float16")

    before = bert_keras.load(saved)
    _rewrite_weights(saved, halve)
    after = bert_keras.load(saved)
    assert {weight.dtype for weight in after.trainable_weights} == {"float32"}
    for ours, theirs in zip(before.trainable_weights, after.trainable_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("cls.predictions.decoder.weight", np.ones((8, 4), "float32")),
        ("cls.predictions.decoder.bias", np.ones(8, "float32")),
    ],
)
def test_decoder_that_is_not_tied_is_refused(name: str, copy: np.ndarray, saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update({name: copy}))
    assert f"{name} differs from" in _refusal(saved)


def test_tied_bias_may_go_by_its_other_name_alone(saved: Path) -> None:
    def rename(tensors: dict[str, np.ndarray]) -> None:
        tensors["cls.predictions.decoder.bias"] = tensors.pop("cls.predictions.bias")

    before = bert_keras.load(saved)
    _rewrite_weights(saved, rename)
    after = bert_keras.load(saved)
    np.testing.assert_array_equal(
        before.masked_lm_head.output_bias, after.masked_lm_head.output_bias
    )


def _prefixed(tensors: dict[str, np.ndarray]) -> None:
    for name in list(tensors):
        tensors[f"bert.{name}"] = tensors.pop(name)


def _without_pooler(tensors: dict[str, np.ndarray]) -> None:
    for name in ("pooler.dense.weight", "pooler.dense.bias"):
        del tensors[name]


@pytest.mark.parametrize(
    ("change", "has_pooler"), [(_prefixed, True), (_without_pooler, False)], ids=["prefix", "bare"]
)
def test_bare_encoder_opens_with_prefix_and_without_pooler(
    change: Any, has_pooler: bool, tmp_path: Path
) -> None:
    model = _random(BertEncoder)
    bert_keras.save(model, tmp_path / "model")
    _rewrite_weights(tmp_path / "model", change)
    loaded = bert_keras.load(tmp_path / "model")
    assert (loaded.pooler is not None) == has_pooler
    batch = {"input_ids": tf.constant([[2, 5, 4, 3]])}
    np.testing.assert_array_equal(loaded(batch)["sequence_output"], model(batch)["sequence_output"])
    bert_keras.save(loaded, tmp_path / "again")
    assert (bert_keras.load(tmp_path / "again").pooler is not None) == has_pooler


def test_pooler_of_an_old_tagger_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bert_keras.save(_random(BertForTokenClassification), tmp_path / "model")
    pooler = {
        "bert.pooler.dense.weight": np.ones((4, 4), "float32"),
        "bert.pooler.dense.bias": np.ones(4, "float32"),
    }
    _rewrite_weights(tmp_path / "model", lambda tensors: tensors.update(pooler))
    assert bert_keras.load(tmp_path / "model").report.left_out == sorted(pooler)
    assert "left out: bert.pooler.dense.bias, bert.pooler.dense.weight" in caplog.text


def test_labels_and_problem_type_travel_with_the_model(tmp_path: Path) -> None:
    model = _random(
        BertForSequenceClassification,
        labels=["no", "maybe", "yes"],
        problem_type="multi_label_classification",
        classifier_dropout=0.25,
    )
    bert_keras.save(model, tmp_path / "model")
    written = json.loads((tmp_path / "model" / "config.json").read_text())
    assert written["id2label"] == {"0": "no", "1": "maybe", "2": "yes"}
    assert written["label2id"] == {"no": 0, "maybe": 1, "yes": 2}
    loaded = bert_keras.load(tmp_path / "model")
    assert loaded.labels == ("no", "maybe", "yes")
    assert loaded.problem_type == "multi_label_classification"
    assert loaded.classifier_dropout == 0.25


@pytest.mark.parametrize("names", [{"0": "a", "2": "b"}, {"a": 0, "b": 1}, ["a", "b"], {}])
def test_labels_that_do_not_count_from_0_are_refused(names: Any, tmp_path: Path) -> None:
    bert_keras.save(_random(BertForTokenClassification), tmp_path / "model")
    _rewrite_config(tmp_path / "model", id2label=names)
    assert "id2label" in _refusal(tmp_path / "model")


def test_config_that_lies_about_the_labels_is_refused(tmp_path: Path) -> None:
    bert_keras.save(_random(BertForTokenClassification), tmp_path / "model")
    _rewrite_config(tmp_path / "model", id2label={"0": "a", "1": "b", "2": "c"})
    assert "classifier.weight has the wrong shape" in _refusal(tmp_path / "model")


def test_missing_weight_is_named(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.pop("bert.pooler.dense.bias"))
    assert "lacks the weight bert.pooler.dense.bias" in _refusal(saved)


def test_name_that_would_write_on_the_terminal_is_shown_as_escapes(saved: Path) -> None:
    name = "stray\n\x1b[2J名"
    _rewrite_weights(saved, lambda tensors: tensors.update({name: np.zeros(1)}))
    assert r"does not use: stray\n\x1b[2J名" in _refusal(saved)


def test_command_against_a_pickle_takes_no_code_from_the_config(saved: Path) -> None:
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    _rewrite_config(saved, architectures=["os; import os; os.mkdir('x')"])
    assert "import AutoModel as M;" in _refusal(saved)


def test_unused_weight_is_named(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update(stray=np.zeros(1)))
    assert "does not use: stray" in _refusal(saved)


@pytest.mark.parametrize(
    "other", ["embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma"]
)
def test_weight_that_is_there_by_two_names_is_refused(other: str, saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update({other: np.ones(4, "float32")}))
    message = _refusal(saved)
    assert "holds one weight twice" in message
    assert other in message


@pytest.mark.parametrize(
    "name",
    ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.attention.self.key.weight"],
)
def test_wrong_shape_is_told_with_both_shapes(name: str, saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.update({name: np.zeros((3, 4), "float32")}))
    message = _refusal(saved)
    assert name in message
    assert "(3, 4)" in message


def test_config_of_another_size_is_refused(saved: Path) -> None:
    _rewrite_config(saved, intermediate_size=7)
    assert "intermediate.dense.weight has the wrong shape" in _refusal(saved)


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_truncated_weights_are_refused(size: int, saved: Path) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    assert f"{file} is damaged" in _refusal(saved)


@pytest.mark.parametrize(
    "lie", [{"vocab_size": 10**12}, {"num_hidden_layers": 10**9}, {"hidden_size": 2 * 10**9}]
)
def test_config_that_lies_about_its_sizes_costs_no_memory(lie: Any, saved: Path) -> None:
    _rewrite_config(saved, **lie)
    assert str(saved) in _refusal(saved)


def test_fewer_layers_than_the_file_has_are_refused(saved: Path) -> None:
    _rewrite_config(saved, num_hidden_layers=1)
    assert "does not use: bert.encoder.layer.1." in _refusal(saved)


@pytest.mark.parametrize("change", [lambda words: words[:-1], lambda words: [*words, "zebra"]])
def test_vocabulary_of_another_size_is_refused(change: Any, tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "model", BertTokenizer(VOCAB))
    file = tmp_path / "model" / "vocab.txt"
    _rewrite_config(tmp_path / "model", vocab_size=9)

    def widen(tensors: dict[str, np.ndarray]) -> None:
        tensors["bert.embeddings.word_embeddings.weight"] = np.ones((9, 4), "float32")
        tensors["cls.predictions.bias"] = np.ones(9, "float32")

    _rewrite_weights(tmp_path / "model", widen)
    file.write_text("".join(f"{word}\n" for word in change([*VOCAB, "last"])))
    message = _refusal(tmp_path / "model")
    assert "vocab_size=9" in message
    assert "word pieces" in message


def test_table_with_spare_rows_opens(tmp_path: Path) -> None:
    bert_keras.save(_random(), tmp_path / "model", BertTokenizer(VOCAB[:-1]))
    assert bert_keras.load(tmp_path / "model").tokenizer.vocab_size == 7


@pytest.mark.parametrize(
    ("name", "word"), [("tf_model.h5", "from_tf=True"), ("flax_model.msgpack", "from_flax=True")]
)
def test_weights_of_other_frameworks_are_refused_with_the_command(
    name: str, word: str, saved: Path
) -> None:
    (saved / "model.safetensors").rename(saved / name)
    assert word in _refusal(saved)


def test_untied_config_is_written_back_as_tied(saved: Path, tmp_path: Path) -> None:
    """Or transformers would make up the decoder that the file does not have."""
    _rewrite_config(saved, tie_word_embeddings=False)
    bert_keras.save(bert_keras.load(saved), tmp_path / "again")
    assert "tie_word_embeddings" not in (tmp_path / "again" / "config.json").read_text()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"model_type": "albert"}, "its layers share one set of weights"),
        ({"model_type": "electra"}, "its embeddings are projected"),
        ({"model_type": "mpnet"}, "opens BERT and DistilBERT"),
        ({"architectures": "BertModel"}, "architectures must be a list"),
    ],
    ids=str,
)
def test_other_models_are_refused_with_the_reason(
    change: dict[str, Any], word: str, saved: Path
) -> None:
    _rewrite_config(saved, **change)
    assert word in _refusal(saved)


@pytest.mark.parametrize("model_class", [dict, "BertEncoder"])
def test_class_that_is_none_of_ours_is_refused(model_class: Any, saved: Path) -> None:
    with pytest.raises(InputError, match="must be a class of bert_keras"):
        bert_keras.load(saved, model_class)


def test_path_without_a_model_says_what_would_be_one(tmp_path: Path) -> None:
    assert "is not a model: it has neither config.json" in _refusal(tmp_path)
    (tmp_path / "text.txt").touch()
    assert "is not a model" in _refusal(tmp_path / "text.txt")


def test_roberta_is_refused_with_the_reason(saved: Path) -> None:
    _rewrite_config(saved, model_type="roberta", architectures=["RobertaForMaskedLM"])
    message = _refusal(saved)
    assert "roberta" in message
    assert "byte-level BPE" in message


@pytest.mark.parametrize(
    "key", [{"position_embedding_type": "relative_key"}, {"is_decoder": True}], ids=str
)
def test_berts_that_compute_otherwise_are_refused(key: dict[str, Any], saved: Path) -> None:
    _rewrite_config(saved, **key)
    assert next(iter(key)) in _refusal(saved)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, ""], ids=["open", "deep", "empty"])
def test_config_that_is_no_json_is_refused(text: str, saved: Path) -> None:
    (saved / "config.json").write_text(text)
    assert "config.json is not valid JSON" in _refusal(saved)


def test_unknown_architecture_is_refused(saved: Path) -> None:
    _rewrite_config(saved, architectures=["GPT2LMHeadModel"])
    assert "'GPT2LMHeadModel'" in _refusal(saved)


def test_encoder_under_a_head_that_we_lack_opens_where_the_class_is_given(tmp_path: Path) -> None:
    bert_keras.save(_random(BertForSequenceClassification), tmp_path / "model")
    _rewrite_config(tmp_path / "model", architectures=["BertForMultipleChoice"])
    assert "'BertForMultipleChoice'" in _refusal(tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    encoder = bert_keras.load(tmp_path / "model", BertEncoder)
    assert encoder.report.left_out == ["classifier.bias", "classifier.weight"]


def test_encoder_opens_for_a_task_and_says_what_is_new(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = bert_keras.load(saved, BertForSequenceClassification, labels=["no", "yes", "so"])
    assert model.labels == ("no", "yes", "so")
    assert model.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    assert "cls.seq_relationship.weight" in model.report.left_out
    assert "new and to be trained: classifier/output/kernel" in caplog.text
    whole = bert_keras.load(saved)
    for ours, theirs in zip(
        model.encoder.trainable_weights, whole.encoder.trainable_weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    bert_keras.save(model, tmp_path / "tuned")
    assert type(bert_keras.load(tmp_path / "tuned")) is BertForSequenceClassification


def test_missing_encoder_weight_is_an_error_for_a_task_too(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.pop("bert.encoder.layer.1.output.dense.bias"))
    with pytest.raises(InputError, match=r"lacks the weight bert\.encoder\.layer\.1\.output"):
        bert_keras.load(saved, BertForTokenClassification, labels=4)


def test_half_a_head_is_an_error(saved: Path) -> None:
    _rewrite_weights(saved, lambda tensors: tensors.pop("cls.seq_relationship.bias"))
    with pytest.raises(InputError, match=r"lacks the weight cls\.seq_relationship\.bias"):
        bert_keras.load(saved, BertForNextSentencePrediction)


def test_head_of_another_task_is_not_taken_for_this_one(tmp_path: Path) -> None:
    bert_keras.save(_random(BertForTokenClassification), tmp_path / "model")
    model = bert_keras.load(tmp_path / "model", BertForSequenceClassification)
    assert {path.split("/")[0] for path in model.report.new} == {"pooler", "classifier"}
    assert model.report.left_out == ["classifier.bias", "classifier.weight"]


def test_other_number_of_labels_gets_a_new_head(tmp_path: Path) -> None:
    bert_keras.save(_random(BertForTokenClassification), tmp_path / "model")
    same = bert_keras.load(tmp_path / "model", labels=["O", "B"])
    assert same.report.new == []
    assert same.labels == ("O", "B")
    other = bert_keras.load(tmp_path / "model", BertForTokenClassification, labels=5)
    assert other.report.new == ["classifier/output/kernel", "classifier/output/bias"]


def test_encoder_alone_comes_out_of_a_model_with_heads(saved: Path) -> None:
    encoder = bert_keras.load(saved, BertEncoder, packed=True)
    assert encoder.packed
    assert encoder.pooler is not None
    assert encoder.report.new == []


def test_missing_files_are_named(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such model: .*nowhere"):
        bert_keras.load(tmp_path / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        bert_keras.load(saved)


def test_pickled_weights_are_never_read_and_the_way_out_is_named(saved: Path) -> None:
    (saved / "model.safetensors").unlink()
    (saved / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    message = _refusal(saved)
    assert "pytorch_model.bin is a pickle" in message
    code = message[message.index("python -c ") :]
    assert "from transformers import BertForPreTraining as M; " in shlex.split(code)[2]
    compile(shlex.split(code)[2], "command", "exec")


def test_other_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot save a Sequential"):
        bert_keras.save(tf.keras.Sequential(), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_saving_over_a_model_replaces_it(saved: Path) -> None:
    bert_keras.save(_random(seed=1), saved)
    first = bert_keras.load(saved).trainable_weights[0]
    np.testing.assert_array_equal(first, _random(seed=1).trainable_weights[0])
    assert [path.name for path in saved.parent.iterdir()] == ["model"]


@contextmanager
def no_file_beyond_1000_bytes() -> Iterator[None]:
    """What a full disk looks like: writing fails midway. Not for longer: pytest writes too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_save_that_runs_out_of_space_leaves_the_old_model(saved: Path) -> None:
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    other = _random(seed=1)
    with (
        pytest.raises(OSError, match=rf"File too large: '{re.escape(str(saved))}'") as caught,
        no_file_beyond_1000_bytes(),
    ):
        bert_keras.save(other, saved)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert [path.name for path in saved.parent.iterdir()] == ["model"]
