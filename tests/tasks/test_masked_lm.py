from itertools import chain

import numpy as np
import pytest

import bert_keras
from bert_keras.config import FinetuneConfig, FinetuneTrainConfig, TaskDataConfig
from bert_keras.errors import InputError
from bert_keras.tasks import MaskedLM, evaluate, finetune, predict
from bert_keras.tasks.reading import TextExample


def example(text, pair=None):
    return TextExample(text, pair, None, "texts.txt, row 1")


@pytest.fixture(scope="module")
def model(encoder_path):
    return bert_keras.load(encoder_path, bert_keras.BertForMaskedLM, packed=True)


def test_a_long_text_and_its_partner_lose_nothing(tokenizer):
    text = "a fine film, great fun " * 9
    features = MaskedLM(max_seq_length=12).features([example(text, "a joy to watch")], tokenizer)
    inner = [feature.input_ids[1:-1] for feature in features]
    assert max(map(len, inner)) == 10
    expected = (
        tokenizer.encode(text).input_ids[1:-1] + tokenizer.encode("a joy to watch").input_ids[1:-1]
    )
    assert list(chain.from_iterable(inner)) == expected
    assert {(f.input_ids[0], f.input_ids[-1]) for f in features} == {
        (tokenizer.cls_id, tokenizer.sep_id)
    }


def test_texts_without_a_token_are_refused(tokenizer):
    task = MaskedLM(max_seq_length=12)
    with pytest.raises(InputError, match=r"none of the 2 texts has a token.* texts.txt, row 1"):
        task.features([example("\u200b"), example("\u200b", "\x01")], tokenizer)
    assert len(task.features([example("\u200b"), example("fun")], tokenizer)) == 1
    assert task.features([], tokenizer) == []  # no dev examples


def test_training_masks_anew_each_step_and_any_step_is_reached_directly(tokenizer):
    task = MaskedLM(max_seq_length=16)
    features = task.features([example("a fine film and great fun indeed")] * 4, tokenizer)
    steps = list(task.batches(features, tokenizer, 4).take(4).as_numpy_iterator())
    positions = {step["masked_lm_positions"].tobytes() for step in steps}
    assert len(positions) == 4
    (direct,) = task.batches(features, tokenizer, 4, start_step=3).take(1).as_numpy_iterator()
    for name, values in direct.items():
        np.testing.assert_array_equal(values, steps[3][name])


def test_whole_words_are_masked_with_all_their_pieces(tokenizer):
    task = MaskedLM(max_seq_length=32, masking="whole_word", masking_rate=0.3)
    text = "zyx film zyx fun zyx"
    pieces = tokenizer.encode(text).tokens
    assert any(piece.startswith("##") for piece in pieces)
    features = task.features([example(text)] * 8, tokenizer)
    words = np.cumsum([not piece.startswith("##") for piece in pieces])
    for batch in task.batches(features, tokenizer, 8).take(4).as_numpy_iterator():
        for positions, weights in zip(
            batch["masked_lm_positions"], batch["masked_lm_weights"], strict=True
        ):
            masked = set(positions[weights > 0].tolist())
            for word in {words[position] for position in masked}:
                assert set(np.flatnonzero(words == word)) <= masked


def test_the_measure_is_on_masks_that_stay(model, tokenizer):
    task = MaskedLM(max_seq_length=16)
    examples = [example(f"a {word} film") for word in ("fine", "dull", "warm", "cold", "slow")]
    features = task.features(examples, tokenizer)
    first, _ = task.measure(model, examples, features, batch_size=2)
    again, _ = task.measure(model, examples, features, batch_size=2)
    assert first == again
    assert first["mlm_perplexity"] == pytest.approx(np.exp(first["mlm_loss"]))


@pytest.mark.system
def test_texts_adapt_a_model_that_then_starts_the_task(encoder_path, reviews, tmp_path):
    texts = tmp_path / "texts.txt"
    rows = (reviews / "train.tsv").read_text().splitlines()
    texts.write_text("\n".join(row.split("\t")[0] for row in rows))
    config = FinetuneConfig(
        data=TaskDataConfig(task="masked_lm", max_seq_length=32, dev_fraction=0.2),
        train=FinetuneTrainConfig(steps=4, batch_size=8),
    )
    adapted = finetune(config, tmp_path / "domain", encoder_path, str(texts))
    assert {"mlm_loss", "mlm_accuracy", "mlm_perplexity"} <= evaluate(
        bert_keras.load(adapted), str(texts)
    ).metrics.keys()
    model = bert_keras.load(adapted, bert_keras.BertForSequenceClassification, labels=2)
    before = bert_keras.load(encoder_path)
    kernel = "layer_0/attention/output/kernel"
    ours, theirs = (next(w for w in m.weights if w.path == kernel).numpy() for m in (model, before))
    assert not np.array_equal(ours, theirs)


def test_it_has_no_answers_and_names_the_command_that_has(model):
    with pytest.raises(InputError, match="bert-keras fill-mask"):
        predict(model, "a fine film")
