import copy
import csv
import json

import numpy as np
import pytest
import tokenizers
from tokenizers import Tokenizer

import bert_keras
from bert_keras.errors import InputError
from bert_keras.tokenization import Casing, WordPieceTokenizer, learn_vocabulary
from tests.tokenization.departures import departing_code_points
from tests.tokenization.original import tokenize_as_original

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TEXTS = [
    "The quick brown fox isn't afraid of the dog's 3.14 bones (or so it seems).",
    "Café au lait, naïve coöperation; ÅNGSTRÖM and Ünïcødé Iİıi ﬁne ß Straße Ⅷ",
    "他说：“你好，世界！”（真的吗？）……１２３ＡＢＣ　全角空格",
    "Привет, мир — ЁЛКИ; שָׁלוֹם עולם, हिन्दी भाषा, ภาษาไทย, 한국어 가나다",
    "tabs\tand\nnew\r\nlines\x0bvertical\x0cform\x1ffile\x85next\u2028line\u2029para",
    "zero\u200bwidth\u00adsoft\ufeffmark\ufffdbad\x00null $100 + 5% = <tag> ~`^|",
    "e\u0301 combining \u0301alone x\u0323\u0307y emoji 👍🏽 👩‍👩‍👧 𝒜𝓃 𠀀𪜀",
    "",
    " \t ",
]


@pytest.fixture(scope="module", params=[True, False], ids=["uncased", "cased"])
def tokenizer(request):
    casing = Casing(do_lower_case=request.param)
    return WordPieceTokenizer(learn_vocabulary(TEXTS * 3, 1_200, casing), casing)


def _assert_as_original(tokenizer, texts):
    lower = tokenizer.casing.do_lower_case
    departing = {chr(c) for c in departing_code_points(cased=not lower)} | {"Σ"}
    compared = 0
    for text in texts:
        if departing.isdisjoint(text) and "[" not in text:
            expected = tokenize_as_original(text, tokenizer.vocab, lower)
            assert tokenizer.tokenize(text) == expected, text
            compared += len(expected)
    return compared


def _random_texts(seed, pool):
    draw = np.random.default_rng(seed)
    return ["".join(draw.choice(pool, draw.integers(0, 40))) for _ in range(2_000)]


def test_pieces_are_the_originals_on_many_scripts(tokenizer):
    assert _assert_as_original(tokenizer, TEXTS) > 100


def test_pieces_are_the_originals_on_random_strings(tokenizer):
    texts = _random_texts(0, sorted({c for text in TEXTS for c in text}))
    assert _assert_as_original(tokenizer, texts) > 10_000


def test_pieces_are_the_originals_on_real_text(shared_data):
    texts = []
    for file in sorted((shared_data / "sotu").glob("*.txt"))[::40]:
        texts += file.read_text(encoding="utf-8").splitlines()
    with (shared_data / "chnsenticorp" / "ChnSentiCorp_htl_all.csv").open(encoding="utf-8") as file:
        texts += [row[1] for row in list(csv.reader(file))[1:400]]
    for casing in (Casing(), Casing(do_lower_case=False)):
        tokenizer = WordPieceTokenizer(learn_vocabulary(texts, 6_000, casing), casing)
        assert _assert_as_original(tokenizer, texts) > 80_000


def test_encode_sentences_gives_the_ids_of_encode(tokenizer):
    pool = [*sorted({c for text in TEXTS for c in text}), "[MASK]", "[SEP]", " ", " "]
    texts = _random_texts(1, pool) + TEXTS
    expected = [tokenizer.encode(text).input_ids[1:-1] for text in texts]
    assert tokenizer.encode_sentences(texts) == expected
    assert tokenizer.encode_sentences(texts) == expected  # now from the cache


def test_lone_surrogates_are_deleted_as_bad_characters():
    tokenizer = WordPieceTokenizer([*SPECIAL, "ab"])
    assert tokenizer.tokenize("a\udcffb") == ["ab"]
    assert tokenizer.encode_sentences(["a\udcffb"]) == [[5]]


def test_offsets_point_into_the_original_text(tokenizer):
    text = "Café  [MASK] AU lait，世界"
    encoding = tokenizer.encode(text)
    for piece, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        if piece == "[MASK]":
            assert text[start:end] == "[MASK]"
        elif piece not in SPECIAL and "é" not in text[start:end]:
            source = text[start:end]
            source = source.lower() if tokenizer.casing.do_lower_case else source
            assert source == piece.removeprefix("##")
    assert encoding.offsets[0] == encoding.offsets[-1] == (0, 0)


def test_a_pair_has_its_special_tokens_and_types():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a", "b"])
    encoding = tokenizer.encode("a a", "b")
    assert encoding.tokens == ["[CLS]", "a", "a", "[SEP]", "b", "[SEP]"]
    assert encoding.input_ids == [2, 5, 5, 3, 6, 3]
    assert encoding.token_type_ids == [0, 0, 0, 0, 1, 1]
    assert encoding.offsets == [(0, 0), (0, 1), (2, 3), (0, 0), (0, 1), (0, 0)]


@pytest.mark.skipif(
    tokenizers.__version__ in ("0.23.1", "0.23.2"),
    reason="these releases of tokenizers share the room otherwise than those before and after",
)
def test_truncation_shares_the_room_as_the_library_does():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a", "b"])
    library = Tokenizer.from_str(tokenizer._pipeline.to_str())
    for room in range(14):
        library.enable_truncation(room, strategy="longest_first")
        for first in range(9):
            for second in range(9):
                texts = " ".join("a" * first), " ".join("b" * second)
                expected = library.encode(*texts, add_special_tokens=False).tokens
                found = tokenizer.encode(*texts, max_length=room + 3).tokens
                assert [t for t in found if t not in SPECIAL] == expected, (first, second, room)


def test_truncation_cuts_a_single_text_at_its_end():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a", "b"])
    assert tokenizer.encode("a b a b", max_length=4).tokens == ["[CLS]", "a", "b", "[SEP]"]
    with pytest.raises(InputError, match="at least 3"):
        tokenizer.encode("a", "b", max_length=2)


def test_decode_joins_pieces_and_drops_special_tokens():
    tokenizer = WordPieceTokenizer([*SPECIAL, "un", "##aff", "##able", "words"])
    assert tokenizer.decode([2, 5, 6, 7, 8, 3, 0]) == "unaffable words"


def test_saved_tokenizers_come_back_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "one")
    again = WordPieceTokenizer.from_pretrained(tmp_path / "one")
    assert (again.vocab, again.casing) == (tokenizer.vocab, tokenizer.casing)
    assert again.vocab_hash == tokenizer.vocab_hash
    again.save(tmp_path / "two")
    for name in ("vocab.txt", "tokenizer_config.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(("word", "lower"), [("The", False), ("the", True)])
def test_a_directory_without_config_is_cased_when_its_words_are(tmp_path, word, lower):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL, "[unused1]", word]), "utf-8")
    assert WordPieceTokenizer.from_pretrained(tmp_path).casing.do_lower_case is lower


def test_a_config_that_is_no_casing_is_refused(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(SPECIAL), "utf-8")
    config = tmp_path / "tokenizer_config.json"
    for text in ("{", "[]", json.dumps({"do_lower_case": "yes"})):
        config.write_text(text, "utf-8")
        with pytest.raises(InputError):
            WordPieceTokenizer.from_pretrained(tmp_path)


def test_strip_accents_can_be_told_apart_from_lower_casing():
    vocab = [*SPECIAL, "café", "cafe"]
    assert WordPieceTokenizer(vocab, Casing(strip_accents=False)).tokenize("CAFÉ") == ["café"]
    assert WordPieceTokenizer(vocab, Casing(True)).tokenize("CAFÉ") == ["cafe"]


def test_the_tokenizers_former_name_is_the_same_class():
    assert bert_keras.BertTokenizer is bert_keras.WordPieceTokenizer


def test_a_piece_starts_a_word_unless_it_goes_on_with_one():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a", "##a", "#", "#a"])
    assert tokenizer.starts_word.tolist() == [True] * 6 + [False, True, True]


def test_the_identity_follows_the_vocabulary_and_the_casing():
    vocab = [*SPECIAL, "a"]
    identities = [
        WordPieceTokenizer(vocab).identity,
        WordPieceTokenizer([*vocab, "b"]).identity,
        WordPieceTokenizer(vocab, Casing(do_lower_case=False)).identity,
    ]
    assert identities[0] == WordPieceTokenizer(vocab).identity
    assert all(identities.count(each) == 1 for each in identities)
    assert json.loads(json.dumps(identities)) == identities


def test_another_process_gets_the_same_tokenizer():
    tokenizer = WordPieceTokenizer([*SPECIAL, "a", "##b"], Casing(do_lower_case=False))
    again = copy.deepcopy(tokenizer)  # by what multiprocessing hands on, too
    assert again.identity == tokenizer.identity
    assert again.encode("ab a B") == tokenizer.encode("ab a B")
