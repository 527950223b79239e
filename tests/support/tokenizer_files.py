"""Directories of tokenizers as other programs write them, and text to read with them."""

import json
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SLOT = 6  # of <e1>, which stands where [unused1] stood
PIECES = [
    *(*SPECIAL, "[unused0]", "<e1>", "new", "##word", "##words", "the", "The", "Élan", "elan"),
    *string.ascii_letters,
    *(f"##{letter}" for letter in string.ascii_letters),
    *string.digits,
    *(f"##{digit}" for digit in string.digits),
    *"[]<>.,!#",
    *"中国éß",
]
NEXT = len(PIECES)  # the id of the first token that is no piece
TEXTS = [
    "the <e1> Newwords, and <E1> or<e1>s; <e2>  <E2> newword news",
    "[MASK][mask] [ MASK ] <e1><e2><e1> [CLS]x[SEP] [PAD]. [UNK]!",
    "  <e2> covid COVID covid19 a covid. the-covid-wave  covid ",
    "中国<e1>中 élan Élan E\u0301lan<e2>\u0301 \u200b<e1>\ufffd\x00<e2>\tnew\u3000word",
    "<e", "e1>", "<<e1>>", "<e1", "", " ", "[MASK", "x" * 120, "x" * 101 + "<e1>", "New York <e 2>",
]  # fmt: skip


def drawn_texts(count: int = 300, seed: int = 0) -> list[str]:
    """Texts of tokens, parts of tokens and spaces in any order."""
    parts = ["<e1>", "<E1>", "<e2>", "<E2>", "covid", "Covid", "new", "word", "York", "New York"]
    parts += [
        "[MASK]",
        "[mask]",
        "[",
        "]",
        "<",
        ">",
        " ",
        "  ",
        "\t",
        "\u3000",
        ".",
        "é",
        "e\u0301",
    ]
    parts += ["中", "s", "1", "\u200b", "\x00", "ß", "[unused0]", "##word", "\n", "[SEP]"]
    draw = np.random.default_rng(seed)
    return ["".join(draw.choice(parts, draw.integers(1, 12))) for _ in range(count)]


def added(content: str, number: int, **flags: bool) -> dict[str, Any]:
    """An added token as ``tokenizer.json`` lists it."""
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": number, "content": content, **dict.fromkeys(names, False), **flags}


def write_pipeline(
    folder: Path, tokens: tuple[dict[str, Any], ...] = (), change: Any = None, **options: Any
) -> None:
    """The ``tokenizer.json`` that the library writes, with added tokens."""
    ids = {piece: number for number, piece in enumerate(PIECES)}
    file = folder / "tokenizer.json"
    tokenizers.BertWordPieceTokenizer(ids, **options).save(str(file))
    values = json.loads(file.read_text(encoding="utf-8"))
    replaced = {token["content"] for token in tokens}
    kept = [token for token in values["added_tokens"] if token["content"] not in replaced]
    values["added_tokens"] = sorted([*kept, *tokens], key=lambda token: token["id"])
    if change is not None:
        change(values)
    file.write_text(json.dumps(values))


def write_files(folder: Path, files: Mapping[str, Any]) -> Path:
    """The vocabulary, a BERT's ``config.json`` and other JSON files, by name."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 200}))
    for name, values in files.items():
        if name == "tokenizer.json":
            write_pipeline(folder, **values)
        else:
            (folder / name).write_text(json.dumps(values))
    return folder


_CONFIG, _MAP = "tokenizer_config.json", "special_tokens_map.json"
_TYPED = {"__type": "AddedToken", "content": "<e2>", "lstrip": True, "rstrip": False}
_STRIPPED = {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False}
_FLAGS = ({}, {"lstrip": True}, {"rstrip": True}, {"single_word": True}, {"normalized": True},
          {"special": True}, {"normalized": True, "lstrip": True, "rstrip": True})  # fmt: skip
_CASED = {"do_lower_case": False, "tokenizer_class": "BertTokenizer"}
_ANY = {"tokenizer_class": "PreTrainedTokenizerFast"}
_SLOTS = (added("<e1>", SLOT), added("<e2>", NEXT), added("covid", NEXT + 1, normalized=True))

# What directories hold, by a name for it: the files that are read alike by transformers and us.
DIRECTORIES: dict[str, dict[str, Any]] = {
    "vocab.txt and settings that say nothing": {_CONFIG: {}},
    "class of BERT's kind": {_CONFIG: {"tokenizer_class": "DistilBertTokenizerFast"}},
    "added_tokens.json": {
        _CONFIG: {},
        "added_tokens.json": {"<e2>": NEXT, "covid": NEXT + 1, "<e1>": SLOT},
    },
    "added_tokens.json, cased": {_CONFIG: _CASED, "added_tokens.json": {"<E2>": NEXT}},
    "added_tokens.json, special": {
        _CONFIG: {"additional_special_tokens": ["<e2>"]},
        "added_tokens.json": {"<e2>": NEXT, "covid": NEXT + 1},
    },
    "added_tokens_decoder": {
        _CONFIG: {
            "added_tokens_decoder": {
                "4": _STRIPPED | {"special": True, "normalized": False},
                str(SLOT): {"content": "<e1>", "special": True},
                str(NEXT + 1): {"content": "New York", "single_word": True},
                str(NEXT): {"content": "<e2>", "rstrip": True, "normalized": False},
            },
            "additional_special_tokens": ["<e1>"],
        }
    },
    "additional_special_tokens": {_CONFIG: {"additional_special_tokens": ["<e1>", "<e2>"]}},
    "extra_special_tokens": {_CONFIG: {"extra_special_tokens": ["covid", _TYPED]}},
    "extra_special_tokens, named": {_CONFIG: {"extra_special_tokens": {"x_token": "<e2>"}}},
    "a key of its own": {_CONFIG: {"entity_token": "<e1>", "bos_token": "<e2>"}},
    "model_specific_special_tokens": {
        _CONFIG: {"model_specific_special_tokens": {"entity_token": "<e2>"}},
    },
    "model_specific_special_tokens beside a key of its own": {
        _CONFIG: {
            "model_specific_special_tokens": {"entity_token": "<e2>"},
            "image_token": {"__type": "AddedToken", "content": "covid", "special": False},
        },
        "added_tokens.json": {"covid": NEXT},
    },
    "special_tokens_map.json": {
        _CONFIG: {},
        _MAP: {"additional_special_tokens": ["<e2>"], "mask_token": _STRIPPED},
    },
    "special_tokens_map.json beside a decoder": {
        _CONFIG: {"added_tokens_decoder": {str(NEXT): {"content": "covid"}}},
        _MAP: {"additional_special_tokens": ["<e2>"], "unk_token": "[PAD]"},
    },
    "tokenizer.json": {"tokenizer.json": {"tokens": _SLOTS}},
    "tokenizer.json, as it is": {_CONFIG: _ANY, "tokenizer.json": {"tokens": _SLOTS}},
    "tokenizer.json, cased, as it is": {
        _CONFIG: _ANY
        | {"added_tokens_decoder": {str(NEXT + 2): {"content": "<E1>", "special": True}}},
        "tokenizer.json": {"tokens": _SLOTS, "lowercase": False},
    },
    "tokenizer.json of another casing": {"tokenizer.json": {"tokens": _SLOTS, "lowercase": False}},
    "tokenizer.json of another casing, of a model with BERT's tokenizer": {
        "config.json": {"model_type": "electra"},
        "tokenizer.json": {"tokens": _SLOTS, "lowercase": False},
    },
    "tokenizer.json of another casing, named": {
        _CONFIG: {"do_lower_case": False, "strip_accents": True},
        "tokenizer.json": {},
    },
    "tokenizer.json and another decoder": {
        _CONFIG: {"added_tokens_decoder": {str(SLOT): {"content": "<e1>"}}},
        "tokenizer.json": {"tokens": _SLOTS},
    },
    "a class that transformers lacks": {
        _CONFIG: {"tokenizer_class": "MineTokenizer"},
        "tokenizer.json": {"tokens": _SLOTS},
    },
    "truncation and padding": {
        "tokenizer.json": {
            "tokens": _SLOTS,
            "change": lambda values: values.update(
                truncation={
                    "direction": "Right",
                    "max_length": 8,
                    "strategy": "LongestFirst",
                    "stride": 0,
                },
                padding={
                    "strategy": {"Fixed": 12},
                    "direction": "Right",
                    "pad_to_multiple_of": None,
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "[PAD]",
                },
            ),
        },
    },
    **{
        f"flags {', '.join(flags) or 'none'}": {
            "tokenizer.json": {
                "tokens": (added("covid", NEXT, **flags), added("<E2>", NEXT + 1, **flags))
            }
        }
        for flags in _FLAGS
    },
}
