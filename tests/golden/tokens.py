"""The ids of texts that find what is wrong with a tokenizer."""

from pathlib import Path
from typing import Any

import tensorflow as tf

from bert_keras.tokenization.graph import GraphTokenizer
from tests.golden import inputs

MAX_LENGTH = 16
HOSTILE = (
    "",
    " \t\n\u3000\u2028",
    "The captain repaired the wooden bridge near the river.",
    "UNREPAIRABLE baskets, e.g. 3.14 (or -7)? Don't!",
    "Éé e\u0301 E\u0301 naïve Köln KÖLN Straße ﬁn ΣΟΦΟΣ σοφος ς İstanbul ıı",
    "中国人 坐 火车。中a国，火！ｱｲｳ ＡＢＣ　１２３",
    "жд ЖД жж 가각 가각가 世界 ½ Ⅷ ℃ ™",
    "😀 👍🏽 a😀b \U0001f468\u200d\U0001f469\u200d\U0001f467 #tag @you",
    "[CLS] the [MASK] of [SEP] [PAD] [UNK] [mask] [MA SK] [unused0]",
    "x" * 100 + " " + "x" * 101 + " " + "é" * 100 + " " + "ж" * 101,
    "\x00a\x01b\x7f \x0bc\x0c \x1c\x1f \x85 a\x85b \xa0 \u200b a\u200bb \ufeff \ufffd \xad",
    "\u0301 a\u0323\u0301 \u0903\u0941 कल सुबह \u302e\u302f \u1b44 \U0001d165",
    "\ue000 \uf8ff \U000f0000 \U0010fffd \ufdd0 \U0001ffff \u2e52 \U00020000 \U0002b820",
    "https://example.org/a?b=c&d=100% x={k:v**2} a_b __init__ C++ C# ... — “so” ‘it’ …",
    "وصل القطار إلى المحطة שלום עולם ภาษาไทย हिन्दी ქართული",
    "the gardener " * 20,
)


def tokens_values(folder: Path) -> dict[str, Any]:
    """Ids of single texts whole and cut, and of pairs cut, by both engines, cased and uncased."""
    values: dict[str, Any] = {}
    partners = [*HOSTILE[5:], *HOSTILE[:5]]
    for casing in ("uncased", "cased"):
        host = inputs.tokenizer(cased=casing == "cased")
        graph = GraphTokenizer(host, MAX_LENGTH)
        columns = [tf.constant([t.encode() for t in texts]) for texts in (HOSTILE, partners)]
        in_graph = {"single": graph.encode(columns[0]), "pair": graph.encode(*columns)}
        on_host = {
            "whole": host.encode_batch(HOSTILE),
            "single": host.encode_batch(HOSTILE, max_length=MAX_LENGTH),
            "pair": host.encode_batch(HOSTILE, partners, MAX_LENGTH),
        }
        for kind, encodings in on_host.items():
            for number, encoding in enumerate(encodings):
                key = f"{casing} host {kind}/{number}"
                values[key] = encoding.input_ids
                if kind == "whole":
                    values[f"{key} offsets"] = [list(pair) for pair in encoding.offsets]
                if kind == "pair":
                    values[f"{key} types"] = encoding.token_type_ids
        sentences = host.encode_sentences(list(HOSTILE))
        values |= {f"{casing} host sentence/{n}": ids for n, ids in enumerate(sentences)}
        for kind, batch in in_graph.items():
            for name in ("input_ids", "token_type_ids"):
                rows = batch[name].numpy().tolist()
                values |= {f"{casing} graph {kind}/{n} {name}": row for n, row in enumerate(rows)}
    return values
