"""Span question answering: the answer's place in a text (Devlin et al. 2019, 4.2 and 4.3)."""

import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np

from bert_keras.config.checks import at_least, require
from bert_keras.errors import InputError
from bert_keras.modeling import BertForQuestionAnswering
from bert_keras.modeling.model import BertModel
from bert_keras.tasks.answering import AnsweringTask, Mistake, Outputs
from bert_keras.tasks.feature import Feature
from bert_keras.tasks.metrics import counts_characters
from bert_keras.tasks.reading import QuestionExample, read_question_examples
from bert_keras.tasks.registry import register
from bert_keras.tasks.span_answers import Origin, best_answers, is_right, right_answers, span_scores
from bert_keras.tasks.task import Prediction, Predictions, Task
from bert_keras.tasks.windows import best_windows, cut_windows
from bert_keras.tokenization import Encoding, SequenceTemplate, Tokenizer, encode_words

Examples = Sequence[QuestionExample]
_logger = logging.getLogger("bert_keras")

Targets = tuple[int, int]
_NOT_LEARNED: Targets = (-1, -1)  # a place outside every sequence does not count in the loss
_NO_ANSWER: Targets = (0, 0)  # the place of the sequence's own token, BERT's [CLS]


@register
@dataclass(frozen=True, kw_only=True)
class Span(AnsweringTask):
    """The answer to a question, cut out of the text after it.

    Answers are ``{"answer", "start", "end", "score", "no_answer_score", "nbest"}``: the answer
    and its half-open range of characters in the text, both empty where there is none; its
    probability among the best ones; how much likelier no answer is than the best one, in logits;
    and the best answers, each with ``answer``, ``start``, ``end`` and ``score``. The rules are
    those of the original ``run_squad.py``, but the answer is what stands in the text between the
    offsets of its tokens.

    Attributes:
        doc_stride: Tokens from the start of one window of a long text to that of the next.
        max_question_length: Longest question in tokens; it is cut at its end.
        max_answer_length: Longest answer in tokens.
        n_best: How many answers, starts and ends are considered.
        no_answer_threshold: A question has no answer when ``no_answer_score`` is greater: how much
            likelier than the best answer "no answer" must be, in logits (section 4.3). Infinite
            when every question has one (SQuAD 1.1); left out of a recipe, else the dev's best.
        finds_threshold: Whether fine-tuning is to find that threshold on the dev questions.
        one_window: Whether the first window of a text alone is read, as a file for phones does.

    Example:
        >>> task = Span(max_seq_length=32, doc_stride=8)
        >>> example = task.from_text("who had fun", "a lovely and warm film, and great fun")
        >>> len(task.features([example], tokenizer))
        1
    """

    max_seq_length: int = 384
    doc_stride: int = 128
    max_question_length: int = 64
    max_answer_length: int = 30
    n_best: int = 20
    no_answer_threshold: float = math.inf
    finds_threshold: bool = False
    one_window: bool = False

    name = "span"
    title = "Answers"
    pipeline_tag = "question-answering"
    objective = "span"
    curves = ("f1", "best_f1", "exact_match")
    model_class = BertForQuestionAnswering
    columns = ("question", "answer", "score")
    best_metric = "f1"
    remembers = ("max_seq_length", "doc_stride", "max_answer_length", "no_answer_threshold")
    not_in_recipes = (
        *Task.not_in_recipes, "max_question_length", "n_best", "finds_threshold", "one_window",
    )  # fmt: skip
    answers_questions = True

    def __post_init__(self) -> None:
        at_least("data.doc_stride", self.doc_stride, 1)
        at_least("data.max_answer_length", self.max_answer_length, 1)
        threshold = self.no_answer_threshold
        require(
            "data.no_answer_threshold must be a number, or inf where every question has an answer",
            isinstance(threshold, Real) and threshold > -math.inf, threshold,
        )  # fmt: skip

    @classmethod
    def default_length(cls, model: BertModel) -> int:
        """The length that the model reads, but no more than a window of the task."""
        return min(super().default_length(model), cls.max_seq_length)

    def from_text(self, text: str, text_pair: str | None = None) -> QuestionExample:
        """A question and the text that answers it.

        Raises:
            InputError: When there is no second text.
        """
        if text_pair is None:
            raise InputError(f"the question needs a text to answer it from. Received: {text!r:.80}")
        return QuestionExample("", text, text_pair, (), False, "the question")

    def read(self, source: str) -> list[QuestionExample]:
        """The questions of a file or data set; see ``read_question_examples``."""
        examples = read_question_examples(source)
        by_characters = sum(counts_characters(example.context) for example in examples)
        if by_characters:
            _logger.info(
                "%s: %s of %s questions are on texts without spaces between words: their answers "
                "are compared by characters, as CMRC 2018's scorer does",
                source, f"{by_characters:,}", f"{len(examples):,}",
            )  # fmt: skip
        return examples

    def read_texts(self, source: str) -> list[QuestionExample]:
        """The questions of a file or data set, without their answers."""
        return read_question_examples(source, labeled=False)

    def adapted_to(self, examples: Examples) -> Self:
        """The task that finds a threshold where questions have no answer and none was given."""
        impossible = sum(example.is_impossible for example in examples)
        if not impossible or math.isfinite(self.no_answer_threshold):
            return self
        _logger.info(
            "%s of %s questions have no answer: data.no_answer_threshold is 0, or what the dev "
            "questions find best", f"{impossible:,}", f"{len(examples):,}",
        )  # fmt: skip
        return replace(self, no_answer_threshold=0.0, finds_threshold=True)

    def metric(self, name: str, dev: Sequence[QuestionExample]) -> str:
        """The metric that chooses the best model: F1, at the best threshold if one is to be found.

        Raises:
            InputError: When the task has no metric ``name``.
        """
        if not name and self.finds_threshold and any(example.is_impossible for example in dev):
            return "best_f1"
        return super().metric(name, dev)

    def found(self, scores: dict[str, float]) -> dict[str, Any]:
        """The threshold that was best on the dev questions."""
        if not self.finds_threshold or "best_f1_threshold" not in scores:
            return {}
        return {"no_answer_threshold": scores["best_f1_threshold"]}

    def key(self, example: QuestionExample) -> str:
        """The text, so that all questions on it are held out together."""
        return example.context

    def labels_of(self, examples: Examples) -> tuple[str, ...]:
        """No labels; an example without an answer is refused."""
        for example in examples:
            right_answers(example)
        return ()

    def features(self, examples: Examples, tokenizer: Tokenizer) -> list[Feature]:
        """The windows of each text, each after its question.

        An answer that is not where the data say is looked for nearby. One that is nowhere in the
        text is not trained on, as in the original; a warning names it.
        """
        questions = tokenizer.encode_batch([example.question for example in examples])
        contexts = list(dict.fromkeys(example.context for example in examples))
        texts = dict(zip(contexts, encode_words(tokenizer, contexts), strict=True))
        is_labeled = all(example.answers or example.is_impossible for example in examples)
        features: list[Feature] = []
        lost = []
        for number, (example, question) in enumerate(zip(examples, questions, strict=True)):
            answer = _find_answer(example) if is_labeled else None
            if is_labeled and answer is None and not example.is_impossible:
                lost.append(example)
            text = texts[example.context]
            for feature, place in self._windows(number, question, text, tokenizer.template, answer):
                targets = {}
                if is_labeled:
                    start, end = _NO_ANSWER if example.is_impossible else place
                    targets = {"start_positions": start, "end_positions": end}
                features.append(replace(feature, targets=targets))
        if lost:
            more = f", nor {len(lost) - 1} more like it" if len(lost) > 1 else ""
            _logger.warning(
                "%s: the answer %.80r is not in the text; it is not trained on%s",
                lost[0].where, lost[0].answers[0][0], more,
            )  # fmt: skip
        return features

    def longest_question(self, template: SequenceTemplate) -> int:
        """The tokens of a question that are read: half of the room at most."""
        room = self.max_seq_length - template.overhead(2)
        return min(self.max_question_length, room // 2)

    def _windows(
        self,
        number: int,
        question: Encoding,
        text: Encoding,
        template: SequenceTemplate,
        answer: tuple[int, int] | None,
    ) -> Iterator[tuple[Feature, Targets]]:
        """The windows of a text and the places of the answer's first and last token in each."""
        question_ids, text_ids = (template.inner(each.input_ids) for each in (question, text))
        asked = question_ids[: self.longest_question(template)]
        offsets = np.array(template.inner(text.offsets), np.int64).reshape(-1, 2)
        room = self.max_seq_length - template.overhead(2) - len(asked)
        tokens_in_all, left_out = len(question_ids) + len(text_ids), 0
        if self.one_window:
            text_ids, offsets = text_ids[:room], offsets[:room]
            left_out = tokens_in_all - len(asked) - len(text_ids)
        before = template.second_start(len(asked))
        windows = cut_windows(len(text_ids), room, self.doc_stride)
        owners = best_windows(np.arange(len(text_ids)), len(text_ids), room, self.doc_stride)
        tokens = None if answer is None else _tokens_of(answer, offsets)
        for window, (start, end) in enumerate(windows):
            place = _NOT_LEARNED
            if tokens is not None:
                inside = start <= tokens[0] and tokens[1] < end
                shift = before - start
                place = (tokens[0] + shift, tokens[1] + shift) if inside else _NO_ANSWER
            ids, types = template.build(asked, text_ids[start:end])
            yield (
                Feature(
                    example=number,
                    input_ids=ids,
                    token_type_ids=types,
                    origin=Origin(before, offsets[start:end], owners[start:end] == window),
                    lengths=(len(asked), end - start),
                    tokens=tokens_in_all,
                    left_out=left_out,
                ),
                place,
            )

    def decode(
        self, examples: Examples, features: Sequence[Feature], outputs: Sequence[Outputs]
    ) -> list[Prediction]:
        """The best answers."""
        windows: list[list[tuple[Origin, Outputs]]] = [[] for _ in examples]
        for feature, output in zip(features, outputs, strict=True):
            windows[feature.example].append((feature.origin, output))
        texts = [example.context for example in examples]
        return best_answers(
            texts, windows, self.n_best, self.max_answer_length, self.no_answer_threshold
        )

    def score(self, examples: Examples, predictions: Predictions) -> dict[str, float]:
        """Exact match, F1 and more; see ``span_scores``."""
        return span_scores(examples, predictions)

    def texts_of(self, example: QuestionExample) -> dict[str, str]:
        """The question; its text stands in the data, once for many questions."""
        return {"question": example.question}

    def is_labeled(self, example: QuestionExample) -> bool:
        """Tell whether the question has an answer, or is said to have none."""
        return bool(example.answers or example.is_impossible)

    def decisions(self, prediction: Prediction) -> list[Any]:
        """The range of the answer."""
        return [(prediction["start"], prediction["end"])]

    def row(self, example: QuestionExample, prediction: Prediction) -> list[str]:
        """Question, answer and its probability."""
        answer = " ".join(prediction["answer"].split()) or "(no answer)"
        return [" ".join(example.question.split()), answer, f"{prediction['score']:.3f}"]

    def mistake(self, example: QuestionExample, prediction: Prediction) -> Mistake | None:
        """An answer that is not exactly one of the right ones."""
        answers, given = right_answers(example), prediction["answer"]
        if is_right(example, given):
            return None
        expected = answers[0] if answers else "(no answer)"
        return Mistake(prediction["score"], expected, given or "(no answer)", example.question)


def _find_answer(example: QuestionExample) -> tuple[int, int] | None:
    """The range of the first answer's characters, the nearest to where the data say."""
    text, start = example.answers[0] if example.answers else ("", 0)
    if not text:
        return None
    before = example.context.rfind(text, 0, max(start, 0) + len(text))
    after = example.context.find(text, max(start, 0))
    found = [place for place in (before, after) if place >= 0]
    place = min(found, key=lambda place: abs(place - start), default=None)
    return None if place is None else (place, place + len(text))


def _tokens_of(answer: tuple[int, int], offsets: np.ndarray) -> Targets | None:
    """The first and the last token that share characters with a range; None without any."""
    shares = np.flatnonzero((offsets[:, 0] < answer[1]) & (offsets[:, 1] > answer[0]))
    return (int(shares[0]), int(shares[-1])) if len(shares) else None
