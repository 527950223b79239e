"""The table of what opens on guides/models.md: every family is asked for every task."""

from pathlib import Path

import pytest

import bert_keras
from bert_keras.errors import InputError
from bert_keras.export.answers import served
from bert_keras.export.tflite.answers import on_phones
from bert_keras.modeling.model import BertModel
from bert_keras.saving.families import all_models, family_of_model
from bert_keras.saving.families.family import Family
from bert_keras.tasks.registry import TASKS
from bert_keras.tasks.task import Task
from tests.conftest import REPOSITORY
from tests.support.models import VOCAB, small_config, suited

PAGES = ("docs/guides/models.md", "docs/zh/guides/models.md")
BEGIN, END = "<!-- the table of tests/docs/test_opens.py -->\n\n", "\n\n<!-- its end -->"
LABELS = {
    "classification": ("no", "yes"),
    "multi_label": ("no", "yes"),
    "regression": ("score",),
    "tagging": ("O", "B-X"),
}
NONE = "–"


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Family, Path]]:
    """A small encoder of every family, saved in its layout."""
    found: dict[str, tuple[Family, Path]] = {}
    for family in map(family_of_model, all_models()):
        if family is None or family.model_type in found:
            continue
        config = suited(small_config(len(VOCAB), max_position_embeddings=16), family.encoder)
        folder = tmp_path_factory.mktemp(family.model_type) / "encoder"
        bert_keras.save(family.encoder(config), folder)
        found[family.model_type] = family, folder
    return found


def exports(model: BertModel) -> str:
    """The formats that take it: a SavedModel, TFLite."""
    letters = []
    for letter, registry in (("S", served), ("T", on_phones)):
        try:
            registry.of(model)
            letters.append(letter)
        except InputError:
            pass
    return " ".join(letters) or "+"


def opened(kind: type[Task], folder: Path) -> str:
    task = kind(max_seq_length=12)
    if kind.name in LABELS:
        task = task.with_labels(LABELS[kind.name])
    try:
        model = task.open_model(folder)
    except InputError:
        return NONE
    return exports(model)


def table(encoders: dict[str, tuple[Family, Path]]) -> str:
    rows = [["", *(f"`{name}`" for name in encoders)]]
    rows.append(["`embed`", *(exports(bert_keras.load(path)) for _, path in encoders.values())])
    rows.append(["`pretrain`", *("+" if f.pretraining else NONE for f, _ in encoders.values())])
    for name, kind in TASKS.items():
        rows.append([f"`{name}`", *(opened(kind, path) for _, path in encoders.values())])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "| --- " * len(rows[0]) + "|", *lines[1:]])


@pytest.mark.system
@pytest.mark.parametrize("page", PAGES)
def test_the_table_of_what_opens_is_what_opens(encoders, page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    _, found, rest = text.partition(BEGIN)
    given, ended, _ = rest.partition(END)
    assert (found, ended) == (BEGIN, END), "where the table stands"
    assert given == table(encoders), f"the table of {page}, as it is to be"
