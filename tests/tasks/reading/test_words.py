import pytest

from bert_keras.tasks.reading.words import as_written, join_words, parts_of, split_words
from bert_keras.tokenization import BertTokenizer


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('He said, "Hello!" (twice)...', 'He said , " Hello ! " ( twice ) ...'),
        ("state-of-the-art 3.5% don't", "state-of-the-art 3.5 % don't"),
        ("Obama's and Jess’s 's '", "Obama 's and Jess ’s ' s '"),
        ("U.S. J. Smith, and so on.", "U.S. J. Smith , and so on ."),
        ("@bob_x #fun # @ $5", "@bob_x #fun # @ $ 5"),
        ("我住在北京，OK。", "我 住 在 北 京 ， OK 。"),
        ("完了.It", "完 了 . It"),
        ("great😀 café\u200b", "great😀 café\u200b"),
        ("\t a\u3000b\n", "a b"),
        ("?!?? -- \u2026", "? ! ?? -- \u2026"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_words_are_parted_as_tagged_data_sets_part_them(text, words):
    spans = split_words(text)
    assert [text[start:end] for start, end in spans] == words.split(" ") * bool(words)


def test_words_stand_in_order_and_leave_out_spaces_alone():
    text = "“Wow!!” said Zoë—the U.N.'s (new) envoy; 東京で @a.b, C++ & #1... " * 3
    spans = split_words(text)
    assert all(start < end for start, end in spans)
    assert [place for span in spans for place in span] == sorted(p for s in spans for p in s)
    assert "".join(text[start:end] for start, end in spans) == "".join(text.split())


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("王小明", "王 小 明"),
        ("iPhone手机", "iPhone 手 机"),
        ("3月", "3 月"),
        ("《红楼梦》", "《 红 楼 梦 》"),
        ("行きました", "行 きました"),
        ("don't", "don't"),
        ("U.S.", "U.S."),
        (":)", ":)"),
        ("ไปกรุงเทพ", "ไปกรุงเทพ"),
    ],
)
def test_words_with_cjk_characters_are_parted_as_raw_text_is(word, parts):
    found = [word[start:end] for start, end in parts_of(word)]
    assert found == parts.split()
    if len(found) > 1:
        assert parts_of(word) == split_words(word)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("王小明 住 在 北京 。", "王小明住在北京。"),
        ("我 用 iPhone 手机 （ 新 ）", "我用 iPhone 手机（新）"),
        ("東京 に 行き まし た 。", "東京 に 行き まし た 。"),
        ("Anna , of Bonn", "Anna , of Bonn"),
        ("人 々 々", "人 々 々"),
        ("中 ( a )", "中( a )"),
    ],
)
def test_words_are_joined_without_spaces_where_chinese_has_none(words, text):
    joined, starts = join_words(words.split())
    assert joined == text
    for word, start in zip(words.split(), starts, strict=True):
        assert joined[start : start + len(word)] == word
    letters = sorted(set(words) - {" "})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    tokenizer = BertTokenizer([*vocabulary, *(f"##{letter}" for letter in letters)])
    assert tokenizer.encode(joined).input_ids == tokenizer.encode(words).input_ids


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("I do n't know", "I don't know"),
        ("he 's here", "he's here"),
        ("東京 に 行き まし た 。", "東京に行きました。"),
        ("ฉัน ไป กรุงเทพ", "ฉันไปกรุงเทพ"),
        ("王小明 住 在", "王小明住在"),
    ],
)
def test_words_are_written_as_people_write_them(words, text):
    assert as_written(words.split()) == text
