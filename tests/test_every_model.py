"""What holds for every class of models that the package knows.

They are those of the registry: a class that is registered is tested here without a further line.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import bert_keras
from bert_keras import (
    AdamW,
    BertEncoder,
    BertForSentenceEmbedding,
    BertForSequenceClassification,
    BertForTokenClassification,
)
from bert_keras.arithmetic import OneDNN
from bert_keras.config import ArithmeticConfig
from bert_keras.config.run import PRECISIONS
from bert_keras.errors import InputError
from bert_keras.export import export_saved_model, export_tflite
from bert_keras.modeling.inputs import SEQUENCES
from bert_keras.modeling.model import BertModel
from bert_keras.modeling.supervised import SupervisedModel
from bert_keras.objectives import SoftmaxCrossEntropy, SupervisedObjective, TrainStep, total_loss
from bert_keras.saving.families import family, register_model
from bert_keras.saving.files import FORMATS
from bert_keras.tokenization import BertTokenizer
from tests.support.batches import pretraining_batch
from tests.support.models import (
    NO_DROPOUT,
    assert_same_weights,
    each_model,
    pieces_of,
    registered_models,
    small_config,
    suited,
)
from tests.support.objectives import labeled, objective_of, real_part

TOKENIZER = BertTokenizer(pieces_of("abcdefghijklmnopqrstuvwxyz"))
CONFIG = small_config(
    TOKENIZER.vocab_size, hidden_size=16, max_position_embeddings=16, initializer_range=0.2
)
CALM = small_config(
    TOKENIZER.vocab_size, 16, max_position_embeddings=16, initializer_range=0.05, **NO_DROPOUT
)
BATCH = pretraining_batch(vocab_size=TOKENIZER.vocab_size)
Make = Callable[..., Any]  # a class of models, called with its arguments


def batch_of(model: Any) -> dict[str, Any]:
    """The batch in the axes that a model, or its class, reads: of choices two for each example."""
    if len(model.input_axes) == 2:
        return BATCH
    return {name: BATCH[name].reshape(2, 2, -1) for name in SEQUENCES}


@pytest.fixture(params=each_model(), ids=lambda model_class: model_class.__name__)
def make(request: pytest.FixtureRequest) -> Make:
    return request.param


# An export takes long. Other families' classes are exported by the same code: of each family
# `make test-system` exports one, and those that BERT lacks.
each_export = pytest.mark.parametrize("make", each_model(pytest.mark.slow))


def assert_same_outputs(model: BertModel, other: BertModel, **how: Any) -> None:
    outputs, others = model(batch_of(model), **how), other(batch_of(model), **how)
    assert outputs.keys() == others.keys()
    for name, output in outputs.items():
        np.testing.assert_array_equal(output, others[name], name)


def test_its_config_makes_an_equal_model(make: Make) -> None:
    model = make(
        suited(CONFIG, make), seed=5, packed=True, dtype="mixed_bfloat16", name="some_name"
    )
    again = make.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert (again.name, again.packed, again.config) == ("some_name", True, model.config)
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert_same_outputs(again, model)


def test_its_weights_are_there_at_once_and_follow_from_the_seed(make: Make) -> None:
    first, same, other = (make(suited(CONFIG, make), seed=seed) for seed in (1, 1, 2))
    assert first.built
    before = [weight.path for weight in first.weights]
    first(batch_of(first))
    assert [weight.path for weight in first.weights] == before
    assert_same_weights(first, same)
    for a, b in zip(first.trainable_weights, other.trainable_weights, strict=True):
        assert len(a.shape) < 2 or not np.array_equal(a, b), a.path


def test_its_arithmetic_is_handed_down_and_is_not_saved(make: Make) -> None:
    model = make(suited(CONFIG, make), arithmetic=OneDNN(), initialize=False)
    assert model.get_config() == make(suited(CONFIG, make), name=model.name).get_config()
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, "arithmetic")]
    assert len(layers) > 10
    assert all(layer.arithmetic == OneDNN() for layer in layers)
    for weight in model.trainable_weights:
        assert (weight.numpy() == (weight.name == "gamma")).all()


@pytest.mark.parametrize(
    "make", [p for p in each_model() if issubclass(p.values[0], SupervisedModel)]
)
def test_compile_without_arguments_takes_berts_adamw_and_no_xla_on_cpu(make: Make) -> None:
    model = make(suited(CONFIG, make))
    model.compile()
    assert type(model.optimizer) is AdamW
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert (model.jit_compile, model.steps_per_execution) == (False, 1)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Runs the steps of training as they are written: tracing them takes longer by far."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize(
    "precision",
    [
        pytest.param(name, marks=pytest.mark.system if name == "mixed_bfloat16" else [])
        for name in PRECISIONS
    ],
)
def test_a_step_moves_every_weight_in_every_precision(precision: str, make: Make) -> None:
    model = make(suited(CALM, make), seed=1, dtype=precision)
    optimizer = AdamW(1e-2, weight_decay=0.0, loss_scaling=precision == "mixed_float16")
    optimizer.build(model.trainable_variables)
    if optimizer.loss_scaling:
        optimizer.loss_scale.factor.assign(16.0)  # so that no step is passed over to find it
    strategy, settings = tf.distribute.get_strategy(), ArithmeticConfig(precision=precision)
    step = TrainStep(strategy, model, optimizer, objective_of(model), settings)
    before = [weight.numpy() for weight in model.trainable_weights]
    batch = {name: tf.constant(values) for name, values in labeled(model, batch_of(model)).items()}
    means = step(batch)
    assert all(np.isfinite(mean.total) and mean.weight > 0 for mean in means.values())
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert weight.dtype == "float32"
        assert np.isfinite(weight.numpy()).all(), weight.path
        cancels = "choices" in model.input_axes and weight.path == "classifier/output/bias"
        assert cancels or not np.array_equal(weight, old), weight.path


@pytest.mark.parametrize(
    "packed",
    [False, pytest.param(True, marks=pytest.mark.system)],
    ids=["padded", "packed"],
)
@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "float32"])
def test_every_precision_gives_nearly_the_outputs_of_float32(
    precision: str, packed: bool, make: Make
) -> None:
    rounded = make(suited(CALM, make), seed=1, packed=packed, dtype=precision)(batch_of(make))
    exact = make(suited(CALM, make), seed=1)(batch_of(make))
    assert rounded.keys() == exact.keys()
    for name in rounded:
        expected, given = (real_part(outputs[name], batch_of(make)) for outputs in (exact, rounded))
        np.testing.assert_allclose(given, expected, atol=0.1)


def test_packed_tokens_have_the_outputs_and_the_gradients_of_padded_ones(make: Make) -> None:
    outputs, losses, gradients = [], [], []
    for packed in (False, True):
        model = make(suited(CALM, make), seed=1, packed=packed)
        outputs.append(model(batch_of(model)))
        with tf.GradientTape() as tape:
            means = objective_of(model)(model, labeled(model, batch_of(model)), training=True)
            losses.append(total_loss(means))
        found = tape.gradient(losses[-1], model.trainable_weights)
        gradients.append([tf.convert_to_tensor(gradient) for gradient in found])
    for name, padded in outputs[0].items():
        given, expected = (
            real_part(output, batch_of(make)) for output in (outputs[1][name], padded)
        )
        np.testing.assert_allclose(given, expected, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for weight, a, b in zip(model.trainable_weights, *gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=weight.path)


LABELS = {"labels": ["no", "yes", "so"]}
# What else some are made of, which has to come back as well.
MADE = [
    *(pytest.param(*param.values, {}, marks=param.marks) for param in each_model()),
    (BertEncoder, {"with_pooler": False}),
    (BertForSequenceClassification, LABELS | {"problem_type": "multi_label_classification"}),
    (BertForTokenClassification, LABELS | {"classifier_dropout": 0.25}),
    (BertForSentenceEmbedding, {"pooling": "cls", "normalize": False}),
    (BertForSentenceEmbedding, {"dense_units": 3, "dense_bias": False, "truncate_dim": 2}),
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("make", "arguments"), MADE, ids=lambda made: getattr(made, "__name__", "")
)
def test_every_format_brings_it_back_or_refuses_it_in_one_line(
    format: str, make: Make, arguments: dict[str, Any], tmp_path: Path
) -> None:
    model = make(suited(CONFIG, make), seed=5, **arguments)
    path = tmp_path / ("m.keras" if format == "keras" else "m")
    model(batch_of(model), training=True)
    try:
        bert_keras.save(model, path, TOKENIZER, format=format)
    except InputError as error:
        assert format == "google", "the other formats take every class"
        assert_refused(error, make, tmp_path)
        return
    loaded = bert_keras.load(path)
    assert type(loaded) is make
    assert (loaded.config, loaded.tokenizer.vocab) == (model.config, TOKENIZER.vocab)
    assert arguments.items() <= loaded.get_config().items()
    assert_same_weights(loaded, model)
    assert_same_outputs(loaded, model)
    if format == "keras":  # by Keras, with the count of dropout masks: training takes the next ones
        again = keras.saving.load_model(path, safe_mode=True)
        assert_same_outputs(again, model, training=True)


def assert_refused(error: InputError, make: Make, folder: Path) -> None:
    """Checks that a refusal is one line that names the class, and that nothing was written."""
    assert make.__name__ in str(error)
    assert "\n" not in str(error)
    assert not list(folder.iterdir())


@each_export
@pytest.mark.system
def test_a_saved_model_answers_as_it_does_or_it_is_refused_in_one_line(
    make: Make, tmp_path: Path
) -> None:
    model = make(suited(CONFIG, make), seed=5)
    try:
        report = export_saved_model(model, TOKENIZER, tmp_path / "served", max_length=12)
    except InputError as error:
        assert_refused(error, make, tmp_path)
        return
    assert report["comparison_with_keras"]["largest_difference"] < 1e-4
    assert (tmp_path / "served" / "1" / "saved_model.pb").exists()


@each_export
@pytest.mark.system
def test_a_tflite_file_answers_as_it_does_or_it_is_refused_in_one_line(
    make: Make, tmp_path: Path
) -> None:
    model = make(suited(CONFIG, make), seed=5)
    try:
        report = export_tflite(model, TOKENIZER, tmp_path / "m.tflite", length=12)
    except InputError as error:
        assert_refused(error, make, tmp_path)
        return
    (row,) = (row for row in report["variants"] if row["variant"] == "none")
    assert row["largest_difference"] < 1e-4
    assert (tmp_path / "m.tflite").exists()


def test_a_class_that_is_registered_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class BertForMoods(BertForSequenceClassification):
        def supervised_objective(self) -> SupervisedObjective:
            return SoftmaxCrossEntropy("mood", labels="moods")

    monkeypatch.setattr(family, "_families", dict(family._families))
    register_model(BertForMoods, "bert", {}, lambda config: {})
    assert BertForMoods in registered_models()
    assert "moods" in labeled(BertForMoods(CONFIG), BATCH)
    test_its_config_makes_an_equal_model(BertForMoods)
    test_packed_tokens_have_the_outputs_and_the_gradients_of_padded_ones(BertForMoods)
