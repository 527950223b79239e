"""Text to compare and to warm up with."""

from collections.abc import Iterator, Sequence
from itertools import cycle

from bert_keras.export.prose import PROSE
from bert_keras.tokenization import Tokenizer

SENTENCES = (
    "The ferry to the island was late again, so we ate our sandwiches on the pier.",
    'Dr. Ångström didn\'t reply: "Ask me on 3 May, at 4.30 p.m. — not before!"',
    "Ihr Zug nach Köln fährt heute von Gleis 7; die Straße am Bahnhof ist gesperrt.",
    "L'été dernier, nous avons vu des étoiles filantes au-dessus du fjord.",
    "这家酒店离火车站很近，房间干净，早餐也不错（就是Wi-Fi有点慢）。",
    "明日は雨が降るそうですから、傘を忘れないでください。",
    "Вчера в музее открылась новая выставка старых карт.",
    "Ο ΟΔΟΣ είναι κλειστός, αλλά το λεωφορείο περνά από εδώ.",
    "وصل القطار إلى المحطة قبل موعده بخمس دقائق.",
    "कल सुबह हम नदी के किनारे टहलने गए थे।",
    "So good!!! 😀👍🏽 #nofilter @museum https://example.org/a?b=c&d=100%",
    "x = {k: v ** 2 for k, v in d.items() if v >= -1.5e-3}",
    "café ﬁne Ⅷ ½ ℃ ＡＢＣ　１２３ ｶﾀｶﾅ naïve",
    "No.",
    "",
)
_PARAGRAPHS = 12  # of prose that are compared beside the sentences


def comparison_texts(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Sentences of many scripts, prose, and one text of about ``tokens`` tokens of it."""
    paragraphs = PROSE[:_PARAGRAPHS]
    return [*SENTENCES, *paragraphs, _of_length(paragraphs, tokenizer, tokens)]


def texts_of_length(tokenizer: Tokenizer, count: int, tokens: int) -> list[str]:
    """Texts of ``tokens`` tokens with the special ones, each beginning elsewhere."""
    return [
        _of_length([*SENTENCES[number % 4 :], *SENTENCES[: number % 4]], tokenizer, tokens)
        for number in range(count)
    ]


def _of_length(texts: Sequence[str], tokenizer: Tokenizer, tokens: int) -> str:
    """The texts one after another, as often as it takes, cut after ``tokens`` tokens."""
    parts: list[str] = []
    repeated: Iterator[str] = cycle([text for text in texts if text])
    while len(offsets := tokenizer.encode(" ".join(parts)).offsets) < tokens:
        parts.append(next(repeated))
    last = tokens - len(tokenizer.template.suffix) - 1
    return " ".join(parts)[: max(offsets[last][1], 1)]
