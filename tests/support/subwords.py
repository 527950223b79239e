"""Tokenizers of byte-level BPE and Unigram, their directories, and hostile text to read."""

import base64
import json
import struct
from functools import cache
from pathlib import Path

import numpy as np

from bert_keras.tokenization import learn_subwords, learn_vocabulary

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "A naïve café owner didn't pay 1,000 euros; she'd lost them!",
    "Ein Mann mit einem orangefarbenen Hut starrt etwas an.",
    "这家酒店很好，服务也不错。",
    "Nobody saw the fox again, nobody knew why the dog was lazy.",
]
# A class that takes tokenizer.json as it is.
_AS_WRITTEN = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "mask_token": "<mask>",
    "pad_token": "<pad>",
}
# Added tokens of every flag, and the file's own way to list them.
ADDED = {
    "<ent>": {"lstrip": True},
    "[X]": {"rstrip": True, "special": True},
    "covid": {"single_word": True, "normalized": True},
    "Über": {"normalized": True},
    " <sp>": {"lstrip": True, "rstrip": True},
}
_PARTS = [
    *"abcdeTHEfox  \t\n\r.,!?'\"`",
    *"\u00a0\u3000\u200b\u200d\ufeff\ufffd\x00\x01\x1f\x85\u2028\ud7ff\ue000\u0301\u0300\u0327",
    *"▁ĠÂéàñüßı①㈱ＡＢ½ﬁ中文字。한국ไทยहिعرבע",
    "\U0001f600",
    "\U0001f468\u200d\U0001f469",
    *("<mask>", "<s>", "</s>", "<pad>", "<unk>", " <mask>", "<mask> ", "[MASK]", "<0x0A>"),
    *("the ", " the", " The", "ing", "didn't", " we'll", "  ", "``", "''", "fox", "dog"),
    *(*ADDED, "COVID", "über", "U\u0308ber", "covids", " <sp> "),
]


def hostile_texts(count: int, seed: int = 0) -> list[str]:
    """Texts of letters, marks, spaces, control characters and special tokens in any order."""
    draw = np.random.default_rng(seed)
    numbers = draw.integers(0, len(_PARTS), (count, 24))
    lengths = draw.integers(0, 25, count)
    return [
        "".join(_PARTS[number] for number in row[:length])
        for row, length in zip(numbers.tolist(), lengths.tolist(), strict=True)
    ]


@cache
def learned(kind: str):
    """A small tokenizer, learned from ``SENTENCES``."""
    return learn_subwords(SENTENCES * 3, 420 if kind == "bpe" else 150, kind)


def written(folder: Path, kind: str) -> dict:
    """Write the learned tokenizer into a new folder; what its ``tokenizer.json`` holds."""
    folder.mkdir(parents=True)
    learned(kind).save(folder)
    return json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))


def write_directory(folder: Path, name: str) -> Path:
    """Write a directory as other programs do; the names are those of ``DIRECTORIES``."""
    DIRECTORIES[name](folder)
    return folder


def put(folder: Path, pipeline: dict | None, config: dict | None, model_type: str = "") -> None:
    """Write what ``tokenizer.json``, ``tokenizer_config.json`` and ``config.json`` are to hold."""
    for name, values in (
        ("tokenizer.json", pipeline),
        ("tokenizer_config.json", config),
        ("config.json", {"model_type": model_type} if model_type else None),
    ):
        (folder / name).unlink(missing_ok=True)
        if values is not None:
            (folder / name).write_text(json.dumps(values), encoding="utf-8")


def charsmap(replaced: dict[str, str]) -> str:
    """A precompiled character map in SentencePiece's form, of few characters, in base64.

    A double array of Darts-clone (units of 32 bits) for the UTF-8 of the characters, before it its
    size in bytes, behind it the replacements, each ended by a zero byte.
    """
    texts, places = b"", {}
    for key, value in replaced.items():
        places[key.encode()] = len(texts)
        texts += value.encode() + b"\0"
    units: dict[int, int] = {0: 0}
    labels: dict[int, int] = {}

    def place(node: int, keys: list[bytes], depth: int) -> None:
        heads = sorted({key[depth] if depth < len(key) else 0 for key in keys})
        offset = next(
            n
            for n in range(1, 1 << 16)
            if node ^ n not in units and all((node ^ n) ^ head not in units for head in heads)
        )
        base = node ^ offset
        units[node] = labels.get(node, 0) | offset << 10 | (1 << 8 if 0 in heads else 0)
        for head in heads:
            units[base ^ head] = 0
        for head in heads:
            inner = [key for key in keys if (key[depth] if depth < len(key) else 0) == head]
            if head == 0:
                units[base] = 1 << 31 | places[inner[0]]
            else:
                labels[base ^ head] = head
                place(base ^ head, inner, depth + 1)

    place(0, sorted(places), 0)
    size = (max(units) | 255) + 1
    array = b"".join(struct.pack("<I", units.get(number, 0)) for number in range(size))
    return base64.b64encode(struct.pack("<I", len(array)) + array + texts).decode()


# As nmt_nfkc has them: spaces, ligatures and full-width letters; zero-width ones go.
MAP = {"\u3000": " ", "\u00a0": " ", "ﬁ": "fi", "Ａ": "A", "Ｂ": "B", "\u200b": "", "①": "1"}


def _roberta(folder: Path, **config: object) -> None:
    pipeline = written(folder, "bpe")
    put(folder, pipeline, {"model_max_length": 512, **config}, "roberta")


def _roberta_files(folder: Path) -> None:
    model = written(folder, "bpe")["model"]
    put(folder, None, None, "roberta")
    vocab = model["vocab"] | {"<mask>": len(model["vocab"])}
    (folder / "vocab.json").write_text(json.dumps(vocab), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _untrimmed(folder: Path) -> None:
    pipeline = written(folder, "bpe")
    pipeline["post_processor"]["trim_offsets"] = False
    pipeline["pre_tokenizer"]["add_prefix_space"] = True
    put(folder, pipeline, dict(_AS_WRITTEN))


def _added(folder: Path, kind: str) -> None:
    pipeline = written(folder, kind)
    first = pipeline["added_tokens"][-1]["id"] + 1
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    pipeline["added_tokens"] += [
        {"id": first + number, "content": content, **flags, **given}
        for number, (content, given) in enumerate(ADDED.items())
    ]
    put(folder, pipeline, dict(_AS_WRITTEN))


def _xlmr(folder: Path, model_type: str = "xlm-roberta", **config: object) -> None:
    pipeline = written(folder, "unigram")
    pipeline["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap(MAP)}
    put(folder, pipeline, {"mask_token": "<mask>", **config}, model_type)


def _metaspace(folder: Path) -> None:
    pipeline = written(folder, "unigram")
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}
    normal = {"type": "Precompiled", "precompiled_charsmap": charsmap(MAP)}
    pipeline["normalizer"] = {"type": "Sequence", "normalizers": [normal, spaces]}
    pipeline["pre_tokenizer"] = pipeline["pre_tokenizer"]["pretokenizers"][1]
    put(folder, pipeline, dict(_AS_WRITTEN))


def _byte_fallback(folder: Path) -> None:
    pipeline = written(folder, "unigram")
    model = pipeline["model"]
    model["byte_fallback"] = True
    model["vocab"] += [[f"<0x{byte:02X}>", -20.0] for byte in range(256)]
    pipeline["decoder"] = {
        "type": "Sequence",
        "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}, pipeline["decoder"]],
    }
    mask = pipeline["added_tokens"][-1]
    mask["id"] = len(model["vocab"])
    put(folder, pipeline, dict(_AS_WRITTEN))


def _albert(folder: Path) -> None:
    pipeline = written(folder, "unigram")
    first = ["<pad>", "<unk>", "[CLS]", "[SEP]"]
    pipeline["model"]["vocab"][:4] = [[token, 0.0] for token in first]
    pipeline["model"]["unk_id"] = 1
    pipeline["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", 3],
        "cls": ["[CLS]", 2],
    }
    for token, content in zip(pipeline["added_tokens"], [*first, "[MASK]"], strict=True):
        token["content"] = content
    pipeline["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": charsmap(MAP)}
    put(folder, pipeline, {"model_max_length": 512}, "albert")


_MPNETS = ["<s>", "<pad>", "</s>", "<unk>"]


@cache
def _word_pieces() -> list[str]:
    """MPNet's vocabulary: its own special tokens around BERT's."""
    return [*_MPNETS, *learn_vocabulary(SENTENCES * 3, 160), "<mask>"]


def _mpnet(folder: Path, added: dict | None = None, **config: object) -> None:
    """MPNet's files as they were published; ``added`` with tokens behind the vocabulary."""
    folder.mkdir(parents=True)
    ids = {piece: number for number, piece in enumerate(_word_pieces())}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    special = {token: {"special": True} for token in (*_MPNETS, "[UNK]")}
    mask = {"<mask>": {"special": True, "lstrip": True}}
    tokens = [
        {"id": ids.setdefault(content, len(ids)), "content": content, **flags, **given}
        for content, given in (special | mask | (added or {})).items()
    ]
    pipeline = {
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "lowercase": True}
        | {"handle_chinese_chars": True, "strip_accents": None},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": ["</s>", 2],
            "cls": ["<s>", 0],
            "trim_offsets": True,
            "add_prefix_space": False,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {piece: ids[piece] for piece in _word_pieces()},
        },
    }
    named = {"tokenizer_class": "MPNetTokenizer", "mask_token": "<mask>", "model_max_length": 512}
    put(folder, pipeline, named | config, "mpnet")


def _mpnet_files(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(_word_pieces()) + "\n", encoding="utf-8")
    put(folder, None, {"do_lower_case": True}, "mpnet")


DIRECTORIES = {
    "roberta": _roberta,
    "roberta with a prefix space": lambda folder: _roberta(folder, add_prefix_space=True),
    "roberta's vocab.json and merges.txt": _roberta_files,
    "untrimmed offsets": _untrimmed,
    "added tokens of bpe": lambda folder: _added(folder, "bpe"),
    "xlm-r": _xlmr,
    "xlm-r without a prefix space": lambda folder: _xlmr(folder, add_prefix_space=False),
    "bert with xlm-r's": lambda folder: _xlmr(
        folder, "bert", tokenizer_class="XLMRobertaTokenizer"
    ),
    "metaspace alone": _metaspace,
    "added tokens of unigram": lambda folder: _added(folder, "unigram"),
    "byte fallback": _byte_fallback,
    "albert": _albert,
    "mpnet": _mpnet,
    "mpnet with capitals": lambda folder: _mpnet(
        folder, do_lower_case=False, tokenize_chinese_chars=False, strip_accents=True
    ),
    "mpnet's vocab.txt": _mpnet_files,
    "added tokens of mpnet": lambda folder: _mpnet(folder, ADDED),
}
