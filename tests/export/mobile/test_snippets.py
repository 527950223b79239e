"""The README's snippets, compiled and run over real files: the answers of Keras."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from bert_keras.export import export_tflite
from bert_keras.export.samples import PROSE, SENTENCES
from bert_keras.export.tflite.interpreter import TFLiteModel
from bert_keras.tasks import fill_mask, predict
from bert_keras.tasks.batches import collate
from bert_keras.tasks.feature import Feature

CLASSIFY = "Classification, next sentence, multi-label"
TEXTS = [
    *(text for text in SENTENCES if text),
    *PROSE[:12],
    "Ein 😀 é e\u0301 中文, U.S. Köln's 'x'",
]
PAIRS = [*TEXTS[3:], *TEXTS[:3]]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ask(make_model, tmp_path_factory):
    """The answers of a snippet to examples, of the file of a kind of model."""
    files = {}

    def run(program, title, kind, examples, dynamic=False, length=48):
        model = make_model(kind)
        key = kind, dynamic, length
        if key not in files:
            path = tmp_path_factory.mktemp(kind) / "m.tflite"
            export_tflite(model, None, path, length=length, dynamic=dynamic)
            files[key] = path.read_bytes()
        labels = getattr(model, "labels", ())
        if kind == "next_sentence":
            labels = ("next", "random")
        return program.snippet(title, files[key], model.tokenizer, labels, examples)

    return run


def numbers(field):
    return np.array(field.split(), float)


def spans(field):
    rows = [row.rsplit(" ", 3) for row in field.split("|") if row]
    return [(label, int(start), int(end), float(score)) for label, start, end, score in rows]


def units(text, place):
    """The place of a character in UTF-16."""
    return len(text[:place].encode("utf-16-le")) // 2


def fits(model, *texts):
    """Whether the model reads the whole of a text or pair."""
    return len(model.tokenizer.encode(*texts).input_ids) <= model.config.max_position_embeddings


def outputs_of(model, texts, pairs=None, length=48):
    """Keras's outputs for each text by itself, without padding."""
    for encoding in model.tokenizer.encode_batch(texts, pairs, length):
        yield model(collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("kind", ["classification", "pairs", "multi_label", "next_sentence"])
def test_labels(program, ask, make_model, kind, dynamic):
    pairs = PAIRS if kind in ("pairs", "next_sentence") else None
    examples = list(zip(TEXTS, pairs or [""] * len(TEXTS), strict=True))
    model = make_model(kind)
    if dynamic:  # there the README's length is 128, more than these models have positions
        examples = [e for e in examples if fits(model, *e)]
    given = ask(program, CLASSIFY, kind, examples, dynamic)
    first, second = zip(*examples, strict=True)
    length = None if dynamic else 48
    names = ("next", "random") if kind == "next_sentence" else model.labels
    for (label, several, given_shares), outputs in zip(
        given, outputs_of(model, first, second if pairs else None, length), strict=True
    ):
        logits = np.array(next(iter(outputs.values()))[0], np.float64)
        shares = expit(logits) if kind == "multi_label" else softmax(logits)
        np.testing.assert_allclose(numbers(given_shares), shares, atol=1e-4)
        assert label == names[shares.argmax()]
        held = [name for name, share in zip(names, shares, strict=True) if share >= 0.5]
        assert several == "|".join(held)


@pytest.mark.parametrize("kind", ["classification", "pairs", "multi_label"])
def test_labels_are_those_of_predict(program, ask, make_model, kind):
    pairs = PAIRS if kind == "pairs" else None
    examples = list(zip(TEXTS, pairs or [""] * len(TEXTS), strict=True))
    expected = predict(make_model(kind), TEXTS, pairs, max_seq_length=48)
    for (label, several, _), answer in zip(
        ask(program, CLASSIFY, kind, examples), expected, strict=True
    ):
        if kind == "multi_label":
            assert several == "|".join(answer["labels"])
        else:
            assert label == answer["label"]


@pytest.mark.parametrize("kind", ["regression", "several_numbers", "cross_encoder"])
def test_numbers(program, ask, make_model, kind):
    pairs = PAIRS if kind == "cross_encoder" else None
    examples = list(zip(TEXTS, pairs or [""] * len(TEXTS), strict=True))
    expected = predict(make_model(kind), TEXTS, pairs, max_seq_length=48)
    for (scores,), answer in zip(ask(program, "Regression", kind, examples), expected, strict=True):
        right = [*answer["scores"].values()] if "scores" in answer else [answer["score"]]
        np.testing.assert_allclose(numbers(scores), right, atol=1e-4)


def test_entities(program, ask, make_model):
    """Places in UTF-16, where Python counts characters."""
    model = make_model("tagging")
    texts = [text for text in TEXTS if fits(model, text)]
    expected = predict(model, texts, max_seq_length=64)
    given = ask(program, "Tagging", "tagging", [(text, "") for text in texts], length=64)
    found = 0
    for text, (names, entities, words), answer in zip(texts, given, expected, strict=True):
        assert names == "|".join(entity["text"] for entity in answer["entities"])
        for got, entity in zip(spans(entities), answer["entities"], strict=True):
            place = (units(text, entity["start"]), units(text, entity["end"]))
            assert got[:3] == (entity["label"], *place)
            assert got[3] == pytest.approx(entity["score"], abs=1e-4)
            found += 1
        right = zip(answer["tags"], answer["starts"], answer["ends"], strict=True)
        assert [word[:3] for word in spans(words)] == [
            (tag, units(text, start), units(text, end)) for tag, start, end in right
        ]
    assert found > 20


def test_an_answer(program, ask, make_model):
    """The first text is the question; short ones, which one window holds."""
    model = make_model("span")
    pairs = [pair for pair in zip(PAIRS, TEXTS, strict=True) if fits(model, *pair)]
    assert len(pairs) > 5
    questions, texts = zip(*pairs, strict=True)
    expected = predict(model, questions, texts, max_seq_length=64)
    for context, (shown, start, end), answer in zip(
        texts, ask(program, "Span", "span", pairs, length=64), expected, strict=True
    ):
        assert shown == (answer["answer"] or "(no answer)")
        place = units(context, answer["start"]), units(context, answer["end"])
        assert (int(start), int(end)) == place


def test_a_mask(program, ask, make_model):
    model = make_model("masked_lm")
    texts = ["The ferry to the [MASK] was late [MASK].", "[MASK]", "😀 中 [MASK] so good"]
    given = ask(program, "Masked LM", "masked_lm", [(text, "") for text in texts])
    for text, (candidates,) in zip(texts, given, strict=True):
        rows = [line.rsplit(" ", 1) for line in candidates.split("\n")]
        right = fill_mask(model, text, top=5)[0]
        assert [token for token, _ in rows] == [candidate.token for candidate in right]
        np.testing.assert_allclose(
            [float(share) for _, share in rows], [c.score for c in right], atol=1e-4
        )


def test_a_mask_that_was_cut_off_is_an_error(make_program, ask):
    """The file would answer for [CLS]."""
    texts = [("no mask here", ""), ("so good " * 60 + "[MASK]", "")]
    for answer in ask(make_program("kotlin"), "Masked LM", "masked_lm", texts):
        assert answer == ["error", "the text has no [MASK], or it was cut off"]


def test_embeddings(program, ask, make_model):
    model = make_model("sentence_embedding")
    texts = [text for text in TEXTS if fits(model, text)]
    vectors = model.embed(texts)
    shown = ask(program, "Sentence embedding", "sentence_embedding",
                [(texts[0], text) for text in texts], length=64)  # fmt: skip
    for (likeness, first), vector in zip(shown, vectors, strict=True):
        np.testing.assert_allclose(numbers(first), vectors[0], atol=1e-4)
        right = vectors[0] @ vector / np.linalg.norm(vectors[0]) / np.linalg.norm(vector)
        assert float(likeness) == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize("dynamic", [False, True])
def test_encoder(program, ask, make_model, dynamic):
    model = make_model("encoder")
    texts = [text for text in TEXTS if fits(model, text)]
    given = ask(program, "Encoder", "encoder", [(text, "") for text in texts], dynamic)
    length = None if dynamic else 48
    for (pooled, tokens), outputs in zip(
        given, outputs_of(model, texts, None, length), strict=True
    ):
        right = np.array(outputs["sequence_output"][0])
        np.testing.assert_allclose(
            numbers(tokens).reshape(-1, right.shape[-1])[: len(right)], right, atol=1e-4
        )
        np.testing.assert_allclose(numbers(pooled), outputs["pooled_output"][0], atol=1e-4)


def test_windows(program, ask, make_model):
    """A long text, as a model answers that was trained on windows."""
    title = "Classification of long texts, trained with data.windows"
    texts = [" ".join(PROSE[:n]) for n in (1, 3, 8)]
    assert [fits(make_model("classification"), text) for text in texts] != [True] * 3
    model = clone(make_model("classification"))
    expected = predict(model, texts, max_seq_length=48, windows=True)
    given = ask(program, title, "classification", [(text, "") for text in texts])
    for (shares,), answer in zip(given, expected, strict=True):
        np.testing.assert_allclose(numbers(shares), list(answer["scores"].values()), atol=1e-4)


def clone(model):
    """The same model again, which nobody has asked yet."""
    fresh = type(model).from_config(model.get_config())
    fresh({"input_ids": np.ones((1, 4), np.int32)})
    fresh.set_weights(model.get_weights())
    fresh.tokenizer = model.tokenizer
    return fresh


@pytest.fixture(scope="module")
def trained_file(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "m.tflite"
    export_tflite(trained[0], None, path, length=64)
    return path.read_bytes()


def test_200_right_answers_stay_right(program, trained, trained_file):
    model, texts, labels = trained
    answers = program.snippet(
        CLASSIFY, trained_file, model.tokenizer, model.labels, [(text, "") for text in texts]
    )
    given = [label for label, _, _ in answers]
    assert given == [answer["label"] for answer in predict(model, texts, max_seq_length=64)]
    assert sum(model.labels[n] == label for n, label in zip(labels, given, strict=True)) > 180


def test_padding_that_is_not_marked_costs_right_answers(trained, trained_file):
    """What the README warns of: a mask made of the length of padded ids."""
    model, texts, labels = trained
    phone, right = TFLiteModel(trained_file), np.zeros(2, int)
    for text, label in zip(texts, labels, strict=True):
        encoding = model.tokenizer.encode(text)
        batch = collate([Feature(0, encoding.input_ids, encoding.token_type_ids)], 0, 64)
        unmarked = batch | {"attention_mask": np.ones((1, 64), np.int32)}
        for way, sent in enumerate((batch, unmarked)):
            right[way] += phone.run(sent)["probabilities"].argmax() == label
    assert right[0] > 180
    assert right[1] < right[0] - 10


def test_labels_of_another_model_are_an_error(make_program, trained, trained_file):
    """An array of another shape than the tensor's: LiteRT's Java refuses it, too."""
    program, model = make_program("kotlin"), trained[0]
    for labels in (["a"], ["a", "b", "c"]):
        (answer,) = program.snippet(
            CLASSIFY, trained_file, model.tokenizer, labels, [("so good", "")]
        )
        assert answer[0] == "error"
        assert "probabilities is of shape 1,2" in answer[1]
