"""The scheme that tags are in, recognized from all of them together."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bert_keras.errors import InputError
from bert_keras.tasks.reading import TaggedExample
from bert_keras.tasks.schemes import (
    LETTERS,
    OUTSIDE,
    SCHEMES,
    UNNAMED,
    Scheme,
    has_letter,
    is_typed,
    type_of,
)

_logger = logging.getLogger("bert_keras")

_ANY = SCHEMES["BIOES"]  # its default mode reads all letters
_SHOWN = 10  # types in a message
_BARE_SHARE = 0.95  # of the sentences: single letters that mark entities nearly always fit together
_ONLY_LABELS = "; or set data.tag_scheme = 'plain', by which every tag is just a label"
# CoNLL-2012's "(ORG*", "*" and "*)", and its coreferences "(12" and "12)".
_BRACKET = re.compile(r"\*\)*|\([^()\s]+.*|\d+\)")
_OTHER_FORMS = (
    (re.compile(rf"[{LETTERS}][_:|/.].+"), "B-TYPE"),
    (re.compile(rf".+[-_:|/.][{LETTERS}]"), "B-TYPE"),
    (re.compile(rf"[{LETTERS.lower()}]-.+"), "B-TYPE"),
)


def scheme_of_data(examples: Sequence[TaggedExample]) -> Scheme:
    """The scheme of the tags of a whole file.

    Tags with a letter and a type ("B-PER") are in the scheme that has their letters and that most
    sentences follow to the letter; so IOB1, where B only parts entities that touch, is told from
    IOB2. Letters alone are a scheme when nearly all sentences follow it, as in word segmentation.
    Other tags are labels, a word each.

    Raises:
        InputError: When the tags are partly in a scheme and partly not, or in a form that is not
            known; names the row of the first.
    """
    counts = Counter(tag for example in examples for tag in example.tags or ())
    inner = {tag: count for tag, count in counts.items() if tag != OUTSIDE}
    if not inner:
        return SCHEMES["IOB2"]
    _check_form(examples, inner)
    typed = {tag for tag in inner if is_typed(tag)}
    if not typed:
        return _bare_scheme(examples, set(inner))
    if len(typed) < len(inner):
        if 2 * sum(inner[tag] for tag in typed) < sum(inner.values()):
            return SCHEMES["plain"]
        stray = next(tag for tag in inner if tag not in typed)
        raise InputError(
            f"{_place(examples, stray)}: among tags such as {min(typed)!r}, every tag must be O or "
            f"like B-TYPE and I-TYPE{_ONLY_LABELS}. Received: {stray!r:.80}"
        )
    possible = _possible(typed)
    if not possible:
        letters = ", ".join(sorted({tag[0] for tag in typed}))
        raise InputError(
            f"{examples[0].where}: no tag scheme has the letters {letters} of the tags (known are "
            f"{', '.join(name for name, s in SCHEMES.items() if s.letters)}){_ONLY_LABELS}"
        )
    return max(possible, key=lambda scheme: _followers(scheme, examples))


def scheme_of_labels(labels: Sequence[str]) -> Scheme:
    """The scheme that a model's labels are in; of several the one with the fewest letters.

    IOB1 and IOB2 have the same labels and are decoded the same way. Labels without letters, as
    published models have them, mark entities where O is among them.
    """
    inner = {label for label in labels if label != OUTSIDE}
    typed = {label for label in inner if is_typed(label)}
    letters = {label for label in inner if has_letter(label)}
    if typed or (letters == inner and "B" in letters):
        return min(_possible(typed or letters), key=lambda s: len(s.letters), default=_ANY)
    return SCHEMES["IO" if OUTSIDE in labels else "plain"]


def breaches(scheme: Scheme, examples: Iterable[TaggedExample]) -> list[TaggedExample]:
    """The tagged sentences that do not follow a scheme to the letter."""
    known = {}
    found = []
    for example in examples:
        if example.tags is None:
            continue
        if example.tags not in known:
            known[example.tags] = scheme.follows(example.tags)
        if not known[example.tags]:
            found.append(example)
    return found


def _possible(tags: Iterable[str]) -> list[Scheme]:
    letters = {tag[0] for tag in tags}
    return [scheme for scheme in SCHEMES.values() if letters <= set(scheme.letters)]


def _followers(scheme: Scheme, examples: Sequence[TaggedExample]) -> int:
    return len(examples) - len(breaches(scheme, examples))


def _bare_scheme(examples: Sequence[TaggedExample], inner: set[str]) -> Scheme:
    if all(map(has_letter, inner)) and ("B" in inner or inner == {"I"}):
        best = max(_possible(inner), key=lambda s: _followers(s, examples), default=None)
        if best and _followers(best, examples) >= _BARE_SHARE * len(examples):
            return best
    return SCHEMES["plain"]


def _check_form(examples: Sequence[TaggedExample], inner: dict[str, int]) -> None:
    """Refuse tags that mark entities in a form that is not known."""
    bracket = next((tag for tag in inner if _BRACKET.fullmatch(tag)), None)
    if bracket:
        raise InputError(
            f"{_place(examples, bracket)}: the tag {bracket!r:.80} is part of a bracket, as "
            "CoNLL-2012 has them; write entities as B-TYPE, I-TYPE and O, or name another column: "
            "data.tag_column"
        )
    for pattern, right in _OTHER_FORMS:
        if all(map(pattern.fullmatch, inner)) and not all(map(has_letter, inner)):
            tag = min(inner)
            raise InputError(
                f"{_place(examples, tag)}: write the tag {tag!r:.80} as {right}, with the letter "
                f"first, in upper case, and a hyphen after it{_ONLY_LABELS}"
            )


def _place(examples: Sequence[TaggedExample], tag: str) -> str:
    """The row of the sentence that has a tag first, and the word."""
    example = next(e for e in examples if tag in (e.tags or ()))
    word = example.words[(example.tags or ()).index(tag)]
    return f"{example.where}: {word!r:.40}"


def describe(scheme: Scheme, examples: Sequence[TaggedExample]) -> str:
    """A line on the scheme of the training data."""
    tags = {tag for example in examples for tag in example.tags or ()}
    types = sorted({type_of(tag) if scheme.letters else tag for tag in tags - {OUTSIDE}})
    shown = ", ".join(types[:_SHOWN])
    shown += f", … ({len(types)} in all)" if len(types) > _SHOWN else ""
    if not scheme.has_entities:
        runs = "; data.tag_scheme = 'IO' makes entities of them" if OUTSIDE in tags else ""
        return f"the tags are a label for each word: {shown}{runs}"
    if types == [UNNAMED]:
        return f"the tags are {scheme.name}; entities without a type"
    return f"the tags are {scheme.name}; types of entities: {shown}"


def in_scheme(
    scheme: Scheme, examples: list[TaggedExample], source: str, is_certain: bool
) -> list[TaggedExample]:
    """The examples with their tags in a scheme; tags of another are converted, which is logged.

    Args:
        scheme: The scheme.
        examples: The sentences of a file.
        source: Its name.
        is_certain: Whether it is known from others with the same letters, as IOB1 and IOB2 are.

    Raises:
        InputError: When one marks entities and the other does not.
    """
    wrong = [] if scheme.name == "plain" else breaches(scheme, examples)
    if not wrong:
        return examples
    found = scheme_of_data(examples)
    if found.name == "plain" and scheme.name == "IO":
        return examples
    if found.has_entities != scheme.has_entities:
        raise InputError(
            f"{source}: the tags are {found.name}, without entities (such as "
            f"{next(iter(wrong[0].tags or ()))!r:.40}); they must be {scheme.name}"
        )
    if found is not scheme and found.letters == scheme.letters and not is_certain:
        kept = "the model's may be too, so none is converted"
        _logger.info("%s: the tags are %s; %s", source, found.name, kept)
        return examples
    if found is scheme:
        note_on_breaches(found, examples)
        return examples
    _logger.info("%s: the tags are %s; converted to %s", source, found.name, scheme.name)
    return [
        example
        if example.tags is None
        else replace(
            example, tags=tuple(scheme.write(found.spans(example.tags), len(example.words)))
        )
        for example in examples
    ]


def note_on_breaches(scheme: Scheme, examples: Sequence[TaggedExample]) -> None:
    """Log how many sentences do not follow a scheme to the letter."""
    wrong = breaches(scheme, examples) if scheme.has_entities else []
    if wrong:
        _logger.warning(
            "%s: tags that are not quite %s, in %d of %d sentences; an entity begins there where "
            "conlleval lets it",
            wrong[0].where, scheme.name, len(wrong), len(examples),
        )  # fmt: skip
