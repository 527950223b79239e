import base64

import numpy as np
import pytest
import tensorflow as tf
from tokenizers import normalizers

pytest.importorskip("tensorflow_text")

from bert_keras.errors import InputError
from bert_keras.tokenization import SubwordTokenizer
from bert_keras.tokenization.graph import GraphTokenizer
from bert_keras.tokenization.graph.charsmap_rules import read_rules, write_rules
from bert_keras.tokenization.graph.graphemes import marks
from bert_keras.tokenization.graph.unigram import UnigramGraph
from tests.support.subwords import MAP, SENTENCES, hostile_texts, put, written

# As nmt_nfkc has them: a letter with one mark or two, and the mark of SentencePiece itself.
RULES = MAP | {
    "e\u0301": "é",
    "e\u0302": "ê",
    "e\u0302\u0301": "ế",
    "か\u3099": "が",
    "½": "1/2",
    "▁": " ",
    "\x01": "",
}
PARTS = [*"eEaか½①Ａ 2!", "\u0301", "\u0302", "\u0323", "\u3099", "\u200d", "\U0001f3fd", "</s>"]


def _precompiled(rules):
    data = base64.b64encode(write_rules(rules)).decode()
    return {"type": "Precompiled", "precompiled_charsmap": data}


def _tokenizer(folder, change=lambda pipeline: None, rules=RULES):
    pipeline = written(folder, "unigram")
    pipeline["normalizer"] = _precompiled(rules) if rules else None
    change(pipeline)
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "mask_token": "<mask>"}
    put(folder, pipeline, config | {"pad_token": "<pad>"})
    return SubwordTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return _tokenizer(tmp_path_factory.mktemp("unigram") / "tokenizer")


def _differing(tokenizer, texts):
    pieces = UnigramGraph(tokenizer).pieces(tf.constant([text.encode() for text in texts]))
    found = tf.RaggedTensor.from_row_splits(pieces.ids, pieces.splits).to_list()
    hosts = tokenizer.encode_sentences(texts)
    return [pair for pair in zip(texts, found, hosts, strict=True) if pair[1] != pair[2]]


def _drawn(parts, count):
    draw = np.random.default_rng(0)
    return ["".join(draw.choice(parts, draw.integers(1, 9))) for _ in range(count)]


def test_tokens_of_hostile_text_are_the_hosts(tokenizer):
    assert _differing(tokenizer, [*SENTENCES, *hostile_texts(3000)]) == []


def test_tokens_of_letters_with_marks_are_the_hosts(tokenizer):
    assert _differing(tokenizer, _drawn(PARTS, 3000)) == []


def test_tokens_without_a_character_map_are_the_hosts(tmp_path):
    tokenizer = _tokenizer(tmp_path / "plain", rules=None)
    assert _differing(tokenizer, [*hostile_texts(1000), "▁", "▁▁a", " ▁a▁▁b▁ "]) == []


def test_of_two_equal_ways_the_graph_takes_the_hosts(tmp_path):
    def change(pipeline):
        # Rounded in 32 bits, the sum of the same tokens in another order is another.
        scores = {"!": -8.7, "!!": -5.4, "a": -3.4, "aa": -3.1}
        pipeline["model"]["vocab"] = [
            *([t, s] for t, s in pipeline["model"]["vocab"] if t not in scores),
            *([t, float(np.float32(s))] for t, s in scores.items()),
        ]
        pipeline["added_tokens"][-1]["id"] = len(pipeline["model"]["vocab"])

    tokenizer = _tokenizer(tmp_path / "ties", change, rules=None)
    texts = [first + c * n for first in ("", "fox") for c in "!a" for n in range(1, 8)]
    assert _differing(tokenizer, texts) == []


def test_bytes_that_are_not_utf8_are_read_as_by_python(tokenizer):
    bad = [b"a\xff\xfeb", b"\xe4\xb8 c", b"\x00a"]
    pieces = UnigramGraph(tokenizer).pieces(tf.constant(bad))
    hosts = tokenizer.encode_sentences([each.decode("utf-8", "replace") for each in bad])
    assert pieces.ids.numpy().tolist() == [number for ids in hosts for number in ids]


@pytest.mark.parametrize("truncation", ["head", "tail"])
def test_pairs_are_cut_as_the_host_cuts_them(tokenizer, truncation):
    graph = GraphTokenizer(tokenizer, 16, truncation)
    texts = [SENTENCES[0] * 40, "", "fox", SENTENCES[3] * 100]
    pairs = [SENTENCES[1], SENTENCES[2] * 60, "a <mask> dog", SENTENCES[0] * 30]
    found = graph.encode(tf.constant(texts), tf.constant(pairs))
    encodings = tokenizer.encode_batch(texts, pairs, 16, truncation)
    for row, encoding in enumerate(encodings):
        length = len(encoding.input_ids)
        assert found["input_ids"][row, :length].numpy().tolist() == encoding.input_ids
        assert found["attention_mask"][row].numpy().sum() == length


REFUSED = {
    "the normalizer .*: Nmt": lambda p: p.update(normalizer={"type": "Nmt"}),
    "the pre_tokenizer .*: Metaspace": lambda p: p.update(
        pre_tokenizer=p["pre_tokenizer"]["pretokenizers"][1]
    ),
    "prepend_scheme of its Metaspace .*: first": lambda p: p["pre_tokenizer"]["pretokenizers"][
        1
    ].update(prepend_scheme="first"),
    "byte_fallback of its model": lambda p: p["model"].update(byte_fallback=True),
    "added_tokens .*: '<mask>', which is single_word": lambda p: p["added_tokens"][-1].update(
        single_word=True
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_setting_that_the_operation_cannot_follow_is_named(tmp_path, message):
    tokenizer = _tokenizer(tmp_path / "other", REFUSED[message])
    with pytest.raises(InputError, match=message) as caught:
        GraphTokenizer(tokenizer, 16)
    assert "\n" not in str(caught.value)


def test_places_of_tokens_are_refused(tokenizer):
    with pytest.raises(InputError, match="does not tell where"):
        GraphTokenizer(tokenizer, 16).encode_with_offsets(tf.constant(["a"]))


def test_a_character_map_is_written_as_the_library_reads_it():
    data = write_rules(RULES)
    assert read_rules(data) == RULES
    normal = normalizers.Precompiled(data)
    for key, text in RULES.items():
        if len(key) == 1:
            assert normal.normalize_str(key) == text
    with pytest.raises(InputError, match="no character map"):
        read_rules(b"\x10\0\0\0")


def test_marks_are_those_that_go_with_a_letter():
    two, three, four = marks()
    assert {"\u0301", "\u05b0"} <= set(two)
    assert {"\u200d", "\ufe0f", "\u093e"} <= set(three)  # joiner, variation, a vowel sign
    assert "\U0001f3fd" in four
    assert not set("éßa中") & {*two, *three, *four}
