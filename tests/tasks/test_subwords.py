"""The tasks with byte-level BPE and Unigram."""

import numpy as np
import pytest

import bert_keras
from bert_keras.errors import InputError
from bert_keras.tasks import Classification, MaskedLM, Span, Tagging, predict, task_of
from bert_keras.tasks.reading import QuestionExample, TaggedExample, TextExample
from bert_keras.tokenization import SubwordTokenizer
from tests.support.models import small_config
from tests.support.subwords import SENTENCES, learned, write_directory


@pytest.fixture(scope="module", params=["bpe", "unigram", "untrimmed offsets", "metaspace alone"])
def tokenizer(request, tmp_path_factory):
    if request.param in ("bpe", "unigram"):
        return learned(request.param)
    folder = tmp_path_factory.mktemp("directory") / "model"
    return SubwordTokenizer.from_pretrained(write_directory(folder, request.param))


def test_the_tag_of_a_word_stands_at_its_first_token_that_has_a_letter(tokenizer):
    task = Tagging(labels=("O", "B-X"), tag_scheme="IOB2", max_seq_length=64)
    words = ("The", "quick", "naïve", "fox")
    (feature,) = task.features([TaggedExample(words, ("O", "B-X", "O", "B-X"), "row")], tokenizer)
    labels = feature.token_targets["labels"]
    tagged = [place for place, label in enumerate(labels) if label >= 0]
    assert [labels[place] for place in tagged] == [0, 1, 0, 1]
    bounds = [*tagged, len(feature.input_ids) - 1]
    for word, first, end in zip(words, bounds[:-1], bounds[1:], strict=True):
        # A lone space before a word belongs to the tokens of the word before.
        assert tokenizer.decode(feature.input_ids[first:end]).strip() == word


@pytest.mark.parametrize("answer", ["brown fox", "lazy dog", "The quick"])
def test_an_answer_is_found_in_a_window_and_taken_without_its_spaces(tokenizer, answer):
    task = Span(max_seq_length=24, doc_stride=6)
    context = SENTENCES[0]
    example = QuestionExample("1", "who", context, ((answer, context.index(answer)),), False, "row")
    features = task.features([example], tokenizer)
    held = [f for f in features if f.targets["start_positions"] > 0]
    assert held
    for feature in held:
        start, end = feature.targets["start_positions"], feature.targets["end_positions"]
        assert tokenizer.decode(feature.input_ids[start : end + 1]).strip() == answer
        offsets, before = feature.origin.offsets, feature.origin.first
        assert context[offsets[start - before][0] : offsets[end - before][1]] == answer


def test_a_pair_and_a_long_text_fit_into_the_length(tokenizer):
    task = Classification(labels=("no", "yes"), max_seq_length=16)
    (pair,) = task.features([TextExample(SENTENCES[0], SENTENCES[4], "yes", "row")], tokenizer)
    assert len(pair.input_ids) == 16
    assert pair.input_ids[0] == tokenizer.template.prefix[0]
    assert sum(number == 2 for number in pair.input_ids) == 3
    whole = tokenizer.encode(SENTENCES[0]).input_ids[1:-1]
    features = MaskedLM(max_seq_length=10).features(
        [MaskedLM(max_seq_length=10).from_text(SENTENCES[0])], tokenizer
    )
    assert [number for f in features for number in f.input_ids[1:-1]] == whole


def _model(name, tokenizer, **arguments):
    config = small_config(
        tokenizer.vocab_size, hidden_size=16, max_position_embeddings=48, type_vocab_size=1
    )
    model = getattr(bert_keras, name)(config, **arguments)
    model.tokenizer = tokenizer
    return model


def test_a_model_trains_a_step_and_answers_and_fills_masks():
    tokenizer = learned("bpe")
    model = _model("BertForTokenClassification", tokenizer, labels=["O", "B-X"])
    task = task_of(model, max_seq_length=32)
    rows = [TaggedExample(("The", "fox"), ("O", "B-X"), "row")] * 4
    model.compile()
    batches = task.batches(task.features(rows, tokenizer), tokenizer, 4)
    history = model.fit(batches, steps_per_epoch=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    (answer,) = predict(model, ["The quick fox"])
    assert answer["words"] == ["The", "quick", "fox"]
    (candidates,) = bert_keras.fill_mask(
        _model("BertForMaskedLM", tokenizer), "The <mask> fox", top=3
    )
    assert len(candidates) == 3


def test_exports_of_text_are_refused_in_one_line_and_ids_go_on(tmp_path, caplog):
    pytest.importorskip("tensorflow_text")
    model = _model("BertForSequenceClassification", learned("unigram"), labels=["no", "yes"])
    for asked in ({"input": "text"}, {"pair": True}):
        with pytest.raises(
            InputError, match=r"the normalizer .*: Nmt and NFKC; .*--input tokens"
        ) as caught:
            bert_keras.export_saved_model(model, None, tmp_path / "served", **asked)
        assert "\n" not in str(caught.value)
    assert not caplog.records
    report = bert_keras.export_saved_model(model, None, tmp_path / "served")
    (warning,) = [each.getMessage() for each in caplog.records if "Unigram" in each.getMessage()]
    assert "takes tokens alone" in warning
    assert set(report["signatures"]) == {"serving_default", "tokens"}
    assert report["settings"]["input"] == "tokens"
    with pytest.raises(InputError, match="a TFLite file is for BERT's word pieces alone"):
        bert_keras.export_tflite(model, None, tmp_path / "model.tflite")
