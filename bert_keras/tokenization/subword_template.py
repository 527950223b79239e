"""The special tokens around texts, by the post-processor of a ``tokenizer.json``."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bert_keras.errors import InputError
from bert_keras.tokenization.subword_parts import steps
from bert_keras.tokenization.template import SequenceTemplate


def template_of(file: Path, processor: Any, ids: Mapping[str, int]) -> SequenceTemplate:
    """The special tokens around texts, by the post-processor of a ``tokenizer.json``.

    Args:
        file: The file.
        processor: Its post-processor.
        ids: The ids of all tokens.

    Raises:
        InputError: When a sequence of ours has no such layout, or a token has another id.
    """
    parts = [part for part in steps(processor) if part["type"] != "ByteLevel"]
    kinds = [part["type"] for part in parts]
    if kinds in (["RobertaProcessing"], ["BertProcessing"]):
        first, last = parts[0]["cls"], parts[0]["sep"]
        _check_ids(file, [first, last], ids)
        is_robertas = kinds == ["RobertaProcessing"]
        layout = SequenceTemplate.roberta if is_robertas else SequenceTemplate.bert
        return layout(first[1], last[1])
    if kinds != ["TemplateProcessing"]:
        raise InputError(
            f"{file}: its post_processor must put special tokens around a text, by a "
            f"TemplateProcessing, RobertaProcessing or BertProcessing. Received: "
            f"{', '.join(kinds) or 'none'}"
        )
    for entry in parts[0]["special_tokens"].values():
        _check_ids(file, zip_longest(entry["tokens"], entry["ids"]), ids)
    return _template(file, parts[0])


def _check_ids(file: Path, tokens: Iterable[Sequence[Any]], ids: Mapping[str, int]) -> None:
    """Refuse an id that is not its token's: it would be looked up in the embeddings."""
    for token, number in tokens:
        if ids.get(token) != number:
            place = f"has number {ids[token]}" if token in ids else "is not there"
            raise InputError(
                f"{file}: its post_processor gives {token!r} the id {number}; in the vocabulary "
                f"the token {place}: write the vocabulary's id"
            )


def _template(file: Path, processor: Mapping[str, Any]) -> SequenceTemplate:
    """The layout of a ``TemplateProcessing``."""
    ids = {name: entry["ids"] for name, entry in processor["special_tokens"].items()}
    single, pair = (
        [(kind, at["id"], at["type_id"]) for item in processor[name] for kind, at in item.items()]
        for name in ("single", "pair")
    )

    def special(items: list[tuple[str, str, int]]) -> tuple[int, ...]:
        return tuple(number for _, name, _ in items for number in ids[name])

    names = [name if kind == "Sequence" else "" for kind, name, _ in pair]
    if [name for name in names if name] == ["A", "B"]:
        first, second = names.index("A"), names.index("B")
        types = [number for _, _, number in pair]
        template = SequenceTemplate(
            special(pair[:first]),
            special(pair[first + 1 : second]),
            special(pair[second + 1 :]),
            second_type=types[second],
        )
        alone = [*pair[: first + 1], *pair[second + 1 :]]
        is_ours = {*types[:second]} == {0} and {*types[second:]} == {types[second]}
        same = [(kind, name) for kind, name, _ in alone if kind != "Sequence"] == [
            (kind, name) for kind, name, _ in single if kind != "Sequence"
        ]
        if is_ours and same and template.prefix and {number for *_, number in single} == {0}:
            return template
    raise InputError(
        f"{file}: the TemplateProcessing of its post_processor must be PREFIX A SUFFIX and PREFIX "
        "A BETWEEN B SUFFIX with a token before A, and with type 0 up to B. Received: "
        f"{_shown(single)} and {_shown(pair)}"
    )


def _shown(items: list[tuple[str, str, int]]) -> str:
    return " ".join(
        f"{'$' if kind == 'Sequence' else ''}{name}:{number}" for kind, name, number in items
    )
