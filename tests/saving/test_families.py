"""A family that is added in this file alone: own names, keys, config, classes and tokenizer."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import safetensors.numpy
import tensorflow as tf

import bert_keras
from bert_keras import BertConfig, BertEncoder, BertForSequenceClassification, BertTokenizer
from bert_keras.errors import InputError
from bert_keras.modeling.headed import make_encoders
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import Family, family, register_family
from bert_keras.saving.names import Names, bert_variables
from bert_keras.tokenization import Casing
from tests.support.files import assert_same_arrays
from tests.support.models import VOCAB, assert_same_weights

PIECES = "pieces.json"
VALUES = {
    "model_type": "toy",
    "architectures": ["ToyClassifier"],
    "vocab": 8,
    "width": 4,
    "depth": 2,
    "heads": 2,
    "inner": 6,
    "positions": 8,
    "flavor": "sweet",
    "id2label": {"0": "no", "1": "yes", "2": "so"},
    "of_their_own": [1],
}


@dataclass(frozen=True, kw_only=True)
class ToyConfig(BertConfig):
    """BERT's, and a field more."""

    flavor: str = "plain"


class ToyTokenizer(BertTokenizer):
    """Word pieces in a file of another name."""

    def save(self, directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Writes that file."""
        (Path(directory) / PIECES).write_text(json.dumps(self.vocab))


def read_pieces(folder: Path, casing: Casing | None) -> ToyTokenizer | None:
    """Reads it."""
    file = folder / PIECES
    return ToyTokenizer(json.loads(file.read_text())) if file.exists() else None


@keras.saving.register_keras_serializable(package="toy")
class ToyEncoder(BertEncoder):
    """The bare encoder."""

    config_class = ToyConfig


@keras.saving.register_keras_serializable(package="toy")
class ToyClassifier(BertForSequenceClassification):
    """The encoder under a head."""

    config_class = ToyConfig


NAMES = Names(
    layers={
        "embeddings/word_embeddings": "toy:words",
        "embeddings/position_embeddings": "toy:places",
        "embeddings/layer_norm": "toy:norm",
        "layer_#/attention/query_key_value": "toy:#:qkv",
        "layer_#/attention/output": "toy:#:o",
        "layer_#/attention_layer_norm": "toy:#:n1",
        "layer_#/feed_forward/intermediate": "toy:#:up",
        "layer_#/feed_forward/output": "toy:#:down",
        "layer_#/feed_forward_layer_norm": "toy:#:n2",
        "embeddings/token_type_embeddings": "toy:types",
        "pooler/output": "toy:pool",
        "classifier/output": "head",
    },
    ends={"kernel": ":w", "bias": ":b", "gamma": ":g", "beta": ":b"},
)
TOY = Family(
    model_type="toy",
    title="Toy",
    classes={"Toy": ToyEncoder, "ToyClassifier": ToyClassifier},
    names=NAMES,
    prefix="toy:",
    config_keys={
        "vocab_size": "vocab",
        "hidden_size": "width",
        "num_hidden_layers": "depth",
        "num_attention_heads": "heads",
        "intermediate_size": "inner",
        "max_position_embeddings": "positions",
    },
    required={"is_decoder": False},
    read_tokenizer=read_pieces,
    tokenizer_files=(PIECES,),
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The family is known for the time of a test."""
    monkeypatch.setattr(family, "_families", dict(family._families))
    register_family(TOY)
    return


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory as that family's own program would write it."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(VALUES))
    (folder / PIECES).write_text(json.dumps(VOCAB))
    config, _ = TOY.read_config(VALUES)
    draw = np.random.default_rng(0)
    arrays = {}
    for path, shape in bert_variables(config, 3):
        for name in NAMES.of(path):
            arrays[name] = draw.normal(size=shape).astype("float32")
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    return folder


def _fit_a_step(model: Any) -> None:
    batch = {"input_ids": np.array([[2, 5, 6, 3]]), "labels": np.array([1])}
    model.compile()
    model.fit(tf.data.Dataset.from_tensors(batch), verbose=0)


def test_it_opens_learns_a_step_and_comes_back_under_its_own_names_and_keys(
    theirs: Path, tmp_path: Path
) -> None:
    model = bert_keras.load(theirs)
    assert type(model) is ToyClassifier
    assert model.config == ToyConfig(
        vocab_size=8,
        hidden_size=4,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=6,
        max_position_embeddings=8,
        flavor="sweet",
    )
    assert (model.labels, model.tokenizer.vocab) == (("no", "yes", "so"), VOCAB)
    before = safetensors.numpy.load_file(theirs / "model.safetensors")
    np.testing.assert_array_equal(
        model.encoder.transformer_layers[1].feed_forward.intermediate.kernel, before["toy:1:up:w"]
    )
    _fit_a_step(model)
    bert_keras.save(model, tmp_path / "ours")
    after = safetensors.numpy.load_file(tmp_path / "ours" / "model.safetensors")
    assert {name: a.shape for name, a in after.items()} == {n: a.shape for n, a in before.items()}
    assert not np.array_equal(after["head:w"], before["head:w"])
    written = json.loads((tmp_path / "ours" / "config.json").read_text())
    assert VALUES.items() <= written.items()
    assert "hidden_size" not in written
    assert {path.name for path in (tmp_path / "ours").iterdir()} >= {PIECES}

    again = bert_keras.load(tmp_path / "ours")
    assert (type(again), again.config) == (ToyClassifier, model.config)
    answers = bert_keras.predict(again, ["a b", "b"])
    expected = bert_keras.predict(model, ["a b", "b"])
    for answer, same in zip(answers, expected, strict=True):
        assert list(answer["scores"]) == ["no", "yes", "so"]
        assert list(answer["scores"].values()) == pytest.approx(list(same["scores"].values()))


def test_it_opens_as_a_class_of_its_own_where_berts_is_asked_for(theirs: Path) -> None:
    encoder = bert_keras.load(theirs, BertEncoder)
    assert type(encoder) is ToyEncoder
    assert encoder.report.left_out == ["head:b", "head:w"]
    changed = bert_keras.load(theirs, BertForSequenceClassification, labels=["x", "y"])
    assert type(changed) is ToyClassifier
    assert changed.report.new == ["classifier/output/kernel", "classifier/output/bias"]
    with pytest.raises(InputError, match=": Toy opens as ToyEncoder, ToyClassifier"):
        bert_keras.load(theirs, bert_keras.BertForQuestionAnswering)


def test_it_goes_through_a_keras_file_and_has_no_place_in_googles_layout(
    theirs: Path, tmp_path: Path
) -> None:
    model = bert_keras.load(theirs)
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    loaded = bert_keras.load(tmp_path / "m.keras")
    assert (type(loaded), loaded.config) == (ToyClassifier, model.config)
    assert loaded.tokenizer.vocab == VOCAB
    assert_same_weights(model, loaded)
    bert_keras.save(loaded, tmp_path / "back")
    assert_same_arrays(tmp_path / "back", theirs)
    with pytest.raises(InputError, match="Google's layout has nothing for ToyClassifier"):
        bert_keras.save(loaded, tmp_path / "g", format="google")


@pytest.mark.slow
def test_it_is_exported(theirs: Path, tmp_path: Path) -> None:
    model = bert_keras.load(theirs)
    bert_keras.export_saved_model(model, None, tmp_path / "served", max_length=8, input="tokens")
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"is_decoder": True}, "is_decoder must be false, as in Toy"),
        ({"architectures": ["ToyPainter"]}, "known are Toy, ToyClassifier"),
        ({"depth": 3}, "lacks toy:2:o:w and all of layer_2"),
        ({"inner": 7}, "toy:0:up:w has the wrong shape"),
        (
            {"model_type": "train"},
            "opens BERT, DistilBERT, ELECTRA, ERNIE, RoBERTa, MPNet, XLM-R",
        ),
    ],
    ids=str,
)
def test_a_config_that_lies_or_is_of_another_kind_is_refused_in_its_own_words(
    change: dict[str, Any], word: str, theirs: Path
) -> None:
    (theirs / "config.json").write_text(json.dumps(VALUES | change))
    with pytest.raises(InputError) as caught:
        bert_keras.load(theirs)
    assert word in str(caught.value)


SIDES = ("query", "document")


@keras.saving.register_keras_serializable(package="toy")
class ToyPair(BertModel):
    """Two encoders in one model."""

    def __init__(self, config: BertConfig, seed: int = 0, packed: bool = False, **kwargs: Any):
        super().__init__(config, seed, packed, **kwargs)
        self.query, self.document = make_encoders(self, *SIDES, with_pooler=False)
        self.build()


def pair_variables(config: BertConfig, labels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The weights of both encoders."""
    for side in SIDES:
        for path, shape in bert_variables(config, labels):
            if path.startswith(("embeddings/", "layer_")):
                yield f"{side}/{path}", shape


PAIR = Family(
    model_type="toy-pair",
    title="Toy pair",
    classes={"ToyPair": ToyPair},
    names=Names(
        {f"{s}/{layer}": f"{s}:{name}" for s in SIDES for layer, name in NAMES.layers.items()},
        NAMES.ends,
    ),
    prefix="",
    variables=pair_variables,
)


def test_two_encoders_in_one_model_come_back_and_where_they_have_no_place_it_is_said(
    theirs: Path, tmp_path: Path
) -> None:
    register_family(PAIR)
    model = ToyPair(TOY.read_config(VALUES)[0])
    bert_keras.save(model, tmp_path / "pair")
    names = safetensors.numpy.load_file(tmp_path / "pair" / "model.safetensors")
    assert {"query:toy:1:up:w", "document:toy:words"} <= names.keys()
    loaded = bert_keras.load(tmp_path / "pair")
    assert type(loaded) is ToyPair
    for ours, same in zip(model.trainable_weights, loaded.trainable_weights, strict=True):
        assert ours.path == same.path
        np.testing.assert_array_equal(ours, same)
    with pytest.raises(InputError, match="no name for query/embeddings/word_embeddings"):
        bert_keras.save(model, tmp_path / "m.keras", format="keras")


def test_a_second_family_of_one_model_type_is_refused() -> None:
    with pytest.raises(InputError, match="there is a family of model_type 'toy' already"):
        register_family(TOY)


def test_a_weight_that_the_table_has_no_name_for_is_not_dropped_in_silence(
    theirs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bert_keras.load(theirs)
    layers = {layer: name for layer, name in NAMES.layers.items() if layer != "classifier/output"}
    nameless = replace(TOY, names=Names(layers, NAMES.ends))
    monkeypatch.setitem(family._families, "toy", nameless)
    with pytest.raises(InputError, match="no name for classifier/output/kernel"):
        bert_keras.save(model, tmp_path / "ours")
