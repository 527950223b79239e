import pytest

from bert_keras.tasks.reading.words import split_words


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
