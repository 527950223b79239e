import pytest

from bert_keras.corpus.sentences import split_paragraph


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("Mr. Li met Dr. J. R. Wu. They left.", ["Mr. Li met Dr. J. R. Wu.", "They left."]),
        ("Pi is 3.14. It is not 3. 15 is more.", ["Pi is 3.14.", "It is not 3.", "15 is more."]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ('"Really?" she asked. "Yes."', ['"Really?" she asked.', '"Yes."']),
        ("It is over (at last.) We go.", ["It is over (at last.)", "We go."]),
        ("He lives in the U.S. The law is new.", ["He lives in the U.S.", "The law is new."]),
        ("The U.S. Army is large.", ["The U.S. Army is large."]),
        ("See No. 5 in Fig. 2. No. That is it.", ["See No. 5 in Fig. 2.", "No.", "That is it."]),
        ("Use e.g. Python, i.e. code, vs. Prose.", ["Use e.g. Python, i.e. code, vs. Prose."]),
        ("Wait... what? Well... Yes.", ["Wait... what?", "Well...", "Yes."]),
        ("So did I. The end.", ["So did I.", "The end."]),
        ("It costs $5.50 at acme.com today.", ["It costs $5.50 at acme.com today."]),
        ("“Go!” “Where?” ‘There.’ He went.", ["“Go!”", "“Where?”", "‘There.’", "He went."]),
        ("Gov. Lee of St. Louis, Mo. came at 5 p.m. The U.S.-led team, i.e. the best, left.",
         ["Gov. Lee of St. Louis, Mo. came at 5 p.m.", "The U.S.-led team, i.e. the best, left."]),
        ("1. The first point. 2. The second one. It is 3. II. Of the navy.",
         ["1. The first point.", "2. The second one.", "It is 3.", "II. Of the navy."]),
        ("really ? ! she said . . . yes . And then ?",
         ["really ? ! she said . . . yes .", "And then ?"]),
        ("He left (see Fig. 3.). She read “No!” aloud. (It was late.) 'Why?' Etc. etc. End",
         ["He left (see Fig. 3.).", "She read “No!” aloud.", "(It was late.)", "'Why?'",
          "Etc. etc. End"]),
        ("Version 2.0.1 is out... Get it at a.b/c.html! It's 50.5% smaller, see e.g. ch. 4.",
         ["Version 2.0.1 is out...", "Get it at a.b/c.html!",
          "It's 50.5% smaller, see e.g. ch. 4."]),
        ("Ünder. Éclair! Это. Да.", ["Ünder.", "Éclair!", "Это.", "Да."]),
    ],
)  # fmt: skip
def test_english_sentences(text, sentences):
    assert split_paragraph([text]) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("今天很好。明天呢？好！", ["今天很好。", "明天呢？", "好！"]),
        ("他说：“走吧。”我们走了。", ["他说：“走吧。”", "我们走了。"]),
        ("真的吗？！（是的。）好", ["真的吗？！", "（是的。）", "好"]),
        ("房间很好.服务也好!值3.5分.", ["房间很好.", "服务也好!", "值3.5分."]),
        ("比例是3.14，对吗？", ["比例是3.14，对吗？"]),
        (
            "太吵了……睡不着…算了。。。走吧！！！",
            ["太吵了……", "睡不着…", "算了。。。", "走吧！！！"],
        ),
        ("优点：1.位置好2.干净（很大）3.安静。", ["优点：1.位置好2.干净（很大）3.安静。"]),
        (
            "“行吗？”他问。『不！』（笑。）OK.好吧!“嗯。”",
            ["“行吗？”", "他问。", "『不！』", "（笑。）", "OK.", "好吧!", "“嗯。”"],
        ),
        (
            "服务员说Mr.王在3.5楼.谢谢.OK. 下次见",
            ["服务员说Mr.王在3.5楼.", "谢谢.OK.", "下次见"],
        ),
        (
            "约翰．史密斯说：“好”，然后走了；ﾊｲ｡はい。",
            ["约翰．史密斯说：“好”，然后走了；ﾊｲ｡", "はい。"],
        ),
        ("真的...？没有！...总之不错。", ["真的...？", "没有！...", "总之不错。"]),
        (
            "1。酒店较新。2。早餐一般！１０。走5分钟。共12。住了3。”他说。价128。好。房号8。",
            [
                "1。酒店较新。",
                "2。早餐一般！",
                "１０。走5分钟。",
                "共12。",
                "住了3。”",
                "他说。",
                "价128。",
                "好。",
                "房号8。",
            ],
        ),
    ],
)
def test_chinese_sentences(text, sentences):
    assert split_paragraph([text]) == sentences


def test_wrapped_lines_are_joined_before_they_are_split():
    lines = [
        "The committee met on Tuesday to consider the",
        "report. It was long and Mr.",
        "Adams had not read more of it than the first",
        "page.",
    ]
    assert split_paragraph(lines) == [
        "The committee met on Tuesday to consider the report.",
        "It was long and Mr. Adams had not read more of it than the first page.",
    ]


def test_wrapped_chinese_is_joined_without_a_space():
    lines = ["这家酒店离车站很近，房间也很", "干净，下次还会再来。"]
    assert split_paragraph(lines) == ["这家酒店离车站很近，房间也很干净，下次还会再来。"]


def test_lines_that_are_sentences_stay_apart():
    lines = ["A first sentence stands here.", "And a second one", "The third ends too!", "Yes."]
    assert split_paragraph(lines) == lines


def test_lines_of_very_different_length_are_not_taken_for_wrapped_text():
    lines = ["a stirring , funny and finally transporting re imagining", "dull", "so good", "no"]
    assert split_paragraph(lines) == lines


def test_white_space_is_reduced_and_nothing_is_empty():
    assert split_paragraph(["  a \t b  ", "", "   "]) == ["a b"]
    assert split_paragraph([]) == []


def test_no_character_is_lost_in_real_text(shared_data):
    for file in sorted((shared_data / "sotu").glob("*.txt"))[::20]:
        for line in file.read_text(encoding="utf-8").splitlines():
            assert "".join(split_paragraph([line])).replace(" ", "") == "".join(line.split())


def test_a_long_text_without_spaces_does_not_take_quadratic_time():
    text = "a." * 200_000
    assert split_paragraph([text]) == [text]
    assert len(split_paragraph(["x " * 200_000 + "Y. " * 50_000])) >= 1


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "the hotel was nice. we stayed two nights! was it cold? it was.",
            ["the hotel was nice.", "we stayed two nights!", "was it cold?", "it was."],
        ),
        (
            "mr. li met dr. j. r. wu. they left at 3.14. see no. 5 in fig. 2. no. that is it.",
            ["mr. li met dr. j. r. wu.", "they left at 3.14.", "see no. 5 in fig. 2.", "no.",
             "that is it."],
        ),
        (
            "1. the first point. 2. the next one. ii. of the navy. he lives in the u.s. it is new.",
            ["1. the first point.", "2. the next one.", "ii. of the navy.",
             "he lives in the u.s.", "it is new."],
        ),
        (
            'well... what? "really?" she asked. so did i. the end.',
            ["well... what?", '"really?" she asked.', "so did i.", "the end."],
        ),
        ("i love NASA. it is big. we met Tom. ok",
         ["i love NASA.", "it is big.", "we met Tom.", "ok"]),
        ("das haus ist alt. es steht hier. wir gehen.",
         ["das haus ist alt.", "es steht hier.", "wir gehen."]),
        ("дом стар. он стоит. мы идём.", ["дом стар.", "он стоит.", "мы идём."]),
        ("this is good . we liked it . and then ?",
         ["this is good .", "we liked it .", "and then ?"]),
    ],
)  # fmt: skip
def test_without_capitals_a_full_stop_ends_a_sentence_before_a_small_letter(text, sentences):
    assert split_paragraph([text]) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "The firm of Acme bros. sold approx. two tons of it.",
        "We saw the ca. 50 sq. ft. of the room.",
        "THE END OF THE WORLD",
    ],
)
def test_with_capitals_it_ends_none_there(text):
    assert split_paragraph([text]) == [text]


def test_a_small_cased_paragraph_beside_one_without_capitals_keeps_its_own_rule():
    assert split_paragraph(["It weighs abt. two tons. We saw it."]) == [
        "It weighs abt. two tons.",
        "We saw it.",
    ]
    assert split_paragraph(["it weighs two tons. we saw it."]) == [
        "it weighs two tons.",
        "we saw it.",
    ]


def test_initials_of_other_alphabets_end_no_sentence():
    text = "А. С. Пушкин родился в Москве."
    assert split_paragraph([text]) == [text]


def test_lines_without_capitals_that_are_sentences_stay_apart():
    lines = ["a first sentence stands here.", "and a second one", "the third ends too!", "yes."]
    assert split_paragraph(lines) == lines


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("यह होटल अच्छा था। हम रुके।नाश्ता ठंडा था॥ अंत",
         ["यह होटल अच्छा था।", "हम रुके।", "नाश्ता ठंडा था॥", "अंत"]),
        ("یہ ہوٹل اچھا تھا۔ ناشتہ ٹھنڈا تھا؟ قیمت 3۔5 فیصد ہے۔ ۱۔ متن۔",
         ["یہ ہوٹل اچھا تھا۔", "ناشتہ ٹھنڈا تھا؟", "قیمت 3۔5 فیصد ہے۔", "۱۔ متن۔"]),
        ("هل هو جيد؟ نعم. «حقا؟» ثم ذهب.", ["هل هو جيد؟", "نعم.", "«حقا؟»", "ثم ذهب."]),
        ("Բարեւ։ Ինչպես ես։ Լավ եմ: Այո։", ["Բարեւ։", "Ինչպես ես։", "Լավ եմ:", "Այո։"]),
        ("Πού είναι; Εδώ. Ναι; Όχι", ["Πού είναι;", "Εδώ.", "Ναι;", "Όχι"]),
        ("សួស្តី។ អរគុណ។ល្អ៕", ["សួស្តី។", "អរគុណ។", "ល្អ៕"]),
        ("ሰላም። እንዴት ነህ፧ ደህና", ["ሰላም።", "እንዴት ነህ፧", "ደህና"]),
        ("ဟိုတယ်၊ ကောင်းတယ်။ ပြန်တယ်။", ["ဟိုတယ်၊ ကောင်းတယ်။", "ပြန်တယ်။"]),
        ("ཀ་ཁ། ᠮᠣᠩᠭᠣᠯ᠃ ᠪᠢᠴᠢᠭ᠃", ["ཀ་ཁ། ᠮᠣᠩᠭᠣᠯ᠃", "ᠪᠢᠴᠢᠭ᠃"]),
        ("Really‽ Yes⁇ No‼ and on", ["Really‽", "Yes⁇", "No‼ and on"]),
    ],
)  # fmt: skip
def test_the_stops_of_other_scripts_end_sentences(text, sentences):
    assert split_paragraph([text]) == sentences
