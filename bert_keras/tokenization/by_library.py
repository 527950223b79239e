"""The base of the tokenizers that the ``tokenizers`` library runs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bert_keras.errors import one_text, texts_and_pairs
from bert_keras.tokenization.chunks import in_blocks
from bert_keras.tokenization.directory import TokenizerFiles
from bert_keras.tokenization.template import SequenceTemplate
from bert_keras.tokenization.tokenizer import Encoding, Tokens, laid_out

# The library does not take lone surrogates, which are bad bytes in Python: they are read as U+FFFD.
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class PipelineTokenizer:
    """Text to ids and back by a pipeline of the library, and the template's special tokens.

    Attributes:
        vocab: All tokens, by id.
        template: The special tokens around texts.
        files: The settings of the directory.
    """

    vocab: list[str]
    template: SequenceTemplate
    files: TokenizerFiles
    _pipeline: Any

    @property
    def model_max_length(self) -> int | None:
        """The longest sequence by ``tokenizer_config.json``; None where it is not there."""
        return self.files.model_max_length

    @property
    def vocab_size(self) -> int:
        """The number of tokens."""
        return len(self.vocab)

    def tokenize(self, text: str) -> list[str]:
        """The tokens of a text, without special tokens."""
        ids, _ = next(self._run_all([text]))
        return [self.vocab[number] for number in ids]

    def encode(
        self,
        text: str,
        text_pair: str | None = None,
        max_length: int | None = None,
        truncation: str = "head",
    ) -> Encoding:
        """One text or pair with its special tokens, such as [CLS] text [SEP] pair [SEP].

        Args:
            text: The first text.
            text_pair: The second, or None.
            max_length: The largest number of tokens, special ones included; the longer text is
                cut until both fit. None cuts nothing.
            truncation: Which part of a text that is cut stays: ``"head"``, its beginning;
                ``"tail"``, its end; ``"head_tail"``, a quarter from its beginning and the rest
                from its end (Sun et al. 2019, section 5.3.1: 128 and 382 of 510 tokens).

        Raises:
            InputError: When ``max_length`` has no room for the special tokens, or it is not one
                text or two.
        """
        pairs = None if text_pair is None else [one_text("text_pair", text_pair)]
        return self.encode_batch([one_text("text", text)], pairs, max_length, truncation)[0]

    def encode_batch(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str | None] | None = None,
        max_length: int | None = None,
        truncation: str = "head",
    ) -> list[Encoding]:
        """Many texts or pairs, each as ``encode`` gives it, on all cores.

        Args:
            texts: The first texts.
            text_pairs: The second ones, in their order; ``None`` where there is none.
            max_length: As in ``encode``.
            truncation: As in ``encode``.

        Raises:
            InputError: When ``max_length`` has no room for the special tokens, a row is not one
                text or two, or there are more of the first than of the second.
        """
        texts, pairs = texts_and_pairs(texts, text_pairs)
        second = self._run_all(pair for pair in pairs if pair is not None)
        return [
            laid_out(self, [text] if pair is None else [text, next(second)], max_length, truncation)
            for text, pair in zip(self._run_all(texts), pairs, strict=True)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids: tokens joined, special ones left out."""
        return str(self._pipeline.decode(list(ids), skip_special_tokens=True))

    def _run_all(self, texts: Iterable[str]) -> Iterator[Tokens]:
        """The ids and the offsets of texts by the library, without special tokens."""
        for block in in_blocks(texts, len):
            clean = [_LONE_SURROGATE.sub("\ufffd", text) for text in block]
            for encoding in self._pipeline.encode_batch(clean, add_special_tokens=False):
                yield encoding.ids, encoding.offsets
