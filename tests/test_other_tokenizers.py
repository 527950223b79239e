"""A tokenizer of another kind goes everywhere: defined here, nothing in the package knows of it."""

import json

import numpy as np
import pytest

import bert_keras
from bert_keras import Corpus, DataConfig
from bert_keras.corpus import prepare_corpus
from bert_keras.data.pretraining import pretraining_dataset
from bert_keras.errors import InputError
from bert_keras.export import export_tflite
from bert_keras.tasks import Classification, MaskedLM, Span, Tagging, predict, task_of
from bert_keras.tasks.reading import QuestionExample, TaggedExample, TextExample
from tests.support.models import small_config
from tests.support.tokenizers import BOS, EOS, FIRST, MASK, PAD, SPACE, ByteTokenizer, ids_of


@pytest.fixture(scope="module")
def tokenizer():
    return ByteTokenizer()


SENTENCES = ["The {} is red.", "A naïve {} sang!", "Was the {} late?", "Nobody saw the {} again."]
WORDS = ["fox", "owl", "cat", "hen", "bear", "wolf", "crow", "mole"]


@pytest.fixture(scope="module")
def corpus(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    for number, word in enumerate(WORDS):
        text = " ".join(sentence.format(word) for sentence in SENTENCES)
        (folder / f"{number}.txt").write_text(text, encoding="utf-8")
    prepare_corpus(sorted(folder.glob("*.txt")), tokenizer, folder / "corpus")
    return Corpus.open(folder / "corpus", tokenizer)


def test_a_corpus_holds_the_sentences_in_its_ids(corpus, tokenizer):
    bounds = zip(corpus.sentence_offsets[:-1], corpus.sentence_offsets[1:], strict=True)
    found = [tokenizer.decode(corpus.tokens[start:end]) for start, end in bounds]
    assert found == [sentence.format(word) for word in WORDS for sentence in SENTENCES]
    assert corpus.documents.tolist() == [[4 * n, 4 * n + 4] for n in range(8)]


def test_a_corpus_names_its_tokenizer_and_opens_with_no_other(corpus):
    assert json.loads(corpus.identity)["kind"] == "bytes"
    assert json.loads((corpus.path / "corpus.json").read_text())["tokenizer"] == {
        "kind": "bytes",
        "version": 1,
    }
    with pytest.raises(InputError, match=r"a tokenizer from Python, .*bytes.*: give it"):
        Corpus.open(corpus.path)
    other = ByteTokenizer(version=2)
    with pytest.raises(InputError, match=r"another tokenizer, .*1\}\. Received: .*2\}"):
        Corpus.open(corpus.path, other)


def test_what_only_word_pieces_have_is_refused_in_one_line(tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("One. Two.")
    with pytest.raises(InputError, match="chinese_words is for BERT's word pieces alone") as caught:
        prepare_corpus([tmp_path / "a.txt"], tokenizer, tmp_path / "out", chinese_words=True)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("next_sentence", "texts"), [("nsp", 2), ("sop", 2), ("none", 1)])
def test_pretraining_batches_have_robertas_layout_and_mask_whole_words(
    corpus, next_sentence, texts
):
    config = DataConfig(
        max_seq_length=48,
        max_predictions_per_seq=12,
        masking="whole_word",
        masking_rate=0.25,
        next_sentence=next_sentence,
    )
    text = bytes((corpus.tokens - FIRST).tolist())
    masked_words = 0
    for batch in pretraining_dataset(corpus, config, 16, seed=0).take(4).as_numpy_iterator():
        for row in range(16):
            used = batch["masked_lm_weights"][row] == 1
            places = batch["masked_lm_positions"][row][used]
            ids = batch["input_ids"][row].copy()
            ids[places] = batch["masked_lm_ids"][row][used]
            real = ids[: batch["attention_mask"][row].sum()].tolist()
            assert (ids[len(real) :] == PAD).all()
            assert not batch["token_type_ids"][row].any()
            # <s> A </s> or <s> A </s> </s> B </s>, and no special token elsewhere.
            assert real[0] == BOS
            assert real[-1] == EOS
            special = [place for place, number in enumerate(real) if number < FIRST]
            assert [real[place] for place in special] == [BOS, *[EOS] * (2 * texts - 1)]
            if texts == 2:
                assert special[2] == special[1] + 1
            assert not set(special) & set(places.tolist())
            for start, end in ((0, special[1]), (special[-2], len(real) - 1))[:texts]:
                assert bytes(number - FIRST for number in real[start + 1 : end]) in text
            # A word is masked from its space to the next.
            for place in places.tolist():
                ahead = place + 1
                if ahead not in special and real[ahead] != SPACE:
                    assert ahead in places
                if real[place] != SPACE and place - 1 not in special:
                    assert place - 1 in places
            masked_words += sum(real[place] == SPACE for place in places.tolist())
    assert masked_words > 20


class TestFeatures:
    def test_a_pair_is_cut_to_the_room_beside_four_special_tokens(self, tokenizer):
        task = Classification(labels=("no", "yes"), max_seq_length=12)
        (feature,) = task.features([TextExample("abcdefgh", "xyz", "yes", "row 1")], tokenizer)
        assert feature.input_ids == [BOS, *ids_of("abcde"), EOS, EOS, *ids_of("xyz"), EOS]
        assert feature.token_type_ids == [0] * 12
        assert (feature.tokens, feature.left_out, feature.lengths) == (11, 3, (5, 3))
        assert feature.targets == {"labels": 1}

    def test_an_empty_half_of_a_pair_is_no_text(self, tokenizer):
        task = Classification(labels=("no", "yes"), max_seq_length=12)
        full, empty = task.features([task.from_text("a", "b"), task.from_text("a", "")], tokenizer)
        assert full.has_text()
        assert not empty.has_text()

    def test_a_long_text_is_read_in_windows(self, tokenizer):
        task = Classification(labels=("no", "yes"), max_seq_length=6, windows=True)
        (feature,) = task.features([TextExample("abcdefg", None, "no", "row 1")], tokenizer)
        windows = [window.input_ids for window in feature.windows()]
        # Four bytes each, three on from the one before.
        assert windows == [[BOS, *ids_of("abcd"), EOS], [BOS, *ids_of("defg"), EOS]]

    def test_the_tag_of_a_word_stands_at_its_first_byte(self, tokenizer):
        task = Tagging(labels=("O", "B-X"), tag_scheme="IOB2", max_seq_length=16)
        example = TaggedExample(("né", "ox"), ("O", "B-X"), "row 1")
        (feature,) = task.features([example], tokenizer)
        assert feature.input_ids == [BOS, *ids_of("né ox"), EOS]
        labels = feature.token_targets["labels"]
        assert [n for n, label in enumerate(labels) if label >= 0] == [1, 5]
        assert (labels[1], labels[5]) == (0, 1)

    def test_the_answer_to_a_question_is_looked_for_behind_two_separators(self, tokenizer):
        task = Span(max_seq_length=14, doc_stride=4)
        example = QuestionExample("1", "who", "the old owl", (("owl", 8),), False, "row 1")
        first, *_, last = task.features([example], tokenizer)
        assert first.input_ids == [BOS, *ids_of("who"), EOS, EOS, *ids_of("the old"), EOS]
        start, end = last.targets["start_positions"], last.targets["end_positions"]
        assert tokenizer.decode(last.input_ids[start : end + 1]) == "owl"
        assert first.targets == {"start_positions": 0, "end_positions": 0}

    def test_masked_lm_reads_all_of_a_text_in_pieces(self, tokenizer):
        task = MaskedLM(max_seq_length=6)
        features = task.features([task.from_text("abcdefg")], tokenizer)
        assert [f.input_ids for f in features] == [
            [BOS, *ids_of("abcd"), EOS],
            [BOS, *ids_of("efg"), EOS],
        ]


def model_of(name, tokenizer, **arguments):
    config = small_config(
        tokenizer.vocab_size, hidden_size=16, max_position_embeddings=32, type_vocab_size=1
    )
    model = getattr(bert_keras, name)(config, **arguments)
    model.tokenizer = tokenizer
    return model


def text_examples(labels):
    rows = [("good and bad", "a pair"), ("fair", "another"), ("bad", ""), ("fine é", "x")]
    return [TextExample(*row, label, "row") for row, label in zip(rows, labels, strict=True)]


def tagged_examples(_):
    return [TaggedExample(("an", "owl"), ("O", "B-X"), "row")] * 4


def question_examples(_):
    return [QuestionExample("1", "who", "an old owl", (("owl", 7),), False, "row")] * 4


KINDS = {
    "classification": (
        "BertForSequenceClassification",
        {"labels": ["no", "yes"]},
        lambda: text_examples(["yes", "no", "no", "yes"]),
        ("good", "bad"),
    ),
    "tagging": (
        "BertForTokenClassification",
        {"labels": ["O", "B-X"]},
        lambda: tagged_examples(None),
        ("an owl", None),
    ),
    "span": (
        "BertForQuestionAnswering",
        {},
        lambda: question_examples(None),
        ("who", "an old owl and a cat that slept for a while"),
    ),
    "masked_lm": ("BertForMaskedLM", {}, lambda: text_examples(["yes"] * 4), None),
}


@pytest.mark.system
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_trains_a_step_and_answers(kind, tokenizer):
    name, arguments, examples, text = KINDS[kind]
    model = model_of(name, tokenizer, **arguments)
    task = task_of(model, max_seq_length=24)
    features = task.features(examples(), tokenizer)
    before = [weight.numpy() for weight in model.trainable_weights]
    model.compile()
    history = model.fit(task.batches(features, tokenizer, 4), steps_per_epoch=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    moved = zip(before, model.trainable_weights, strict=True)
    assert any((old != new.numpy()).any() for old, new in moved)
    if text is None:
        encoding = tokenizer.encode("an owl")
        (candidates,) = _filled(model, tokenizer, encoding.input_ids)
        assert len(candidates) == 3
        return
    first, second = text
    (answer,) = predict(model, [first], None if second is None else [second])
    if kind == "span":
        start, end = answer["start"], answer["end"]
        assert answer["answer"] == second[start:end]
    elif kind == "tagging":
        assert answer["words"] == ["an", "owl"]
    else:
        assert answer["label"] in ("no", "yes")


def _filled(model, tokenizer, ids):
    """The likeliest tokens where one is hidden: a text cannot name the byte tokenizer's mask."""

    class Hiding(ByteTokenizer):
        def encode(self, text):
            encoding = super().encode(text)
            encoding.input_ids[2] = MASK
            return encoding

    return bert_keras.fill_mask(model, tokenizer.decode(ids), top=3, tokenizer=Hiding())


def test_exports_of_text_are_refused_in_one_line(tokenizer, tmp_path):
    pytest.importorskip("tensorflow_text")
    model = model_of("BertForSequenceClassification", tokenizer, labels=["no", "yes"])
    with pytest.raises(InputError, match=r"word pieces alone: .*--input tokens") as caught:
        bert_keras.export_saved_model(model, None, tmp_path / "served", input="text")
    assert "\n" not in str(caught.value)
    assert "ByteTokenizer" in str(caught.value)
    with pytest.raises(InputError, match="a TFLite file is for BERT's word pieces alone"):
        export_tflite(model, None, tmp_path / "model.tflite")
    assert not (tmp_path / "model.tflite").exists()


@pytest.mark.slow
def test_an_export_that_takes_ids_answers_as_keras_does(tokenizer, tmp_path):
    model = model_of("BertForSequenceClassification", tokenizer, labels=["no", "yes"])
    report = bert_keras.export_saved_model(model, None, tmp_path / "served", input="tokens")
    assert report["tokenizer"] == {"kind": "bytes", "version": 1}
