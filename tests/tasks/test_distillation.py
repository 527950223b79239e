"""Distillation of a sentence encoder: its teacher, what it is trained on and measured by."""

import shutil

import numpy as np
import pytest
from scipy import stats
from scipy.spatial import distance

from bert_keras.errors import InputError
from bert_keras.modeling import BertForSentenceEmbedding
from bert_keras.saving import load, save
from bert_keras.tasks import Distillation, Similarity, distillation, finetune, task_of
from bert_keras.tasks.reading import TextExample
from tests.support.models import NO_DROPOUT, small_config
from tests.tasks.conftest import BAD, FILLERS, GOOD
from tests.tasks.recipes import recipe

TEXTS = [f"{text} {filler}" for text in (*GOOD, *BAD) for filler in FILLERS]


def make_teacher(folder, tokenizer, width, **arguments):
    config = small_config(tokenizer.vocab_size, width, initializer_range=0.2, **NO_DROPOUT)
    save(BertForSentenceEmbedding(config, seed=5, **arguments), folder, tokenizer)
    return str(folder)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory, tokenizer):
    """A teacher of the student's width."""
    return make_teacher(tmp_path_factory.mktemp("teachers") / "32", tokenizer, 32)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory, tokenizer):
    """A teacher of another width."""
    return make_teacher(tmp_path_factory.mktemp("teachers") / "16", tokenizer, 16)


def text(first, second=None, where="texts.txt, line 1"):
    return TextExample(first, second, None, where)


def similarity_to(model, teacher, texts):
    """The mean cosine of a model's vectors with the teacher's."""
    return float((model.embed(texts) * teacher.embed(texts)).sum(axis=1).mean())


@pytest.mark.system
def test_a_run_on_plain_texts_comes_near_its_teacher(teacher, encoder_path, tmp_path):
    (tmp_path / "train.txt").write_text("\n".join(TEXTS[::2]) + "\n")
    (tmp_path / "dev.txt").write_text("\n".join(TEXTS[1::2]) + "\n")
    settings = recipe(data={"task": "distillation", "teacher": teacher}, train={"steps": 40})
    data = str(tmp_path / "train.txt"), str(tmp_path / "dev.txt")
    finetune(settings, tmp_path / "run", encoder_path, *data)
    before = load(encoder_path, BertForSentenceEmbedding)
    model, taught_by = load(tmp_path / "run"), load(teacher)
    after = similarity_to(model, taught_by, TEXTS[1::2])
    assert after > similarity_to(before, taught_by, TEXTS[1::2]) + 0.3
    assert isinstance(task_of(model), Similarity)


@pytest.mark.system
def test_a_run_does_not_resume_with_another_teacher(teacher, encoder_path, tokenizer, tmp_path):
    shutil.copytree(teacher, tmp_path / "teacher")
    (tmp_path / "train.txt").write_text("\n".join(TEXTS) + "\n")
    data = {"task": "distillation", "teacher": str(tmp_path / "teacher")}
    arguments = tmp_path / "run", encoder_path, str(tmp_path / "train.txt")
    finetune(recipe(data=data, train={"steps": 2}), *arguments)
    shutil.rmtree(tmp_path / "teacher")
    make_teacher(tmp_path / "teacher", tokenizer, 16)
    with pytest.raises(InputError, match=r"a run on other data \(teacher differs\)"):
        finetune(recipe(data=data, train={"steps": 2}), *arguments)


@pytest.mark.system
def test_the_cosines_of_pairs_are_learned_from_a_teacher_of_another_width(
    narrow, encoder_path, tmp_path
):
    rows = list(zip(TEXTS, TEXTS[7:], strict=False))
    path = tmp_path / "pairs.tsv"
    path.write_text("\n".join(["text\ttext_pair", *map("\t".join, rows)]) + "\n")
    settings = recipe(
        data={"task": "distillation", "teacher": narrow, "loss": "cosines"}, train={"steps": 30}
    )
    finetune(settings, tmp_path / "run", encoder_path, str(path), str(path))

    def correlation(model):
        ours, theirs = (
            (each.embed([a for a, _ in rows]) * each.embed([b for _, b in rows])).sum(axis=1)
            for each in (model, load(narrow))
        )
        return stats.spearmanr(ours, theirs)[0]

    before = load(encoder_path, BertForSentenceEmbedding)
    assert correlation(load(tmp_path / "run")) > correlation(before) + 0.2


def test_the_targets_are_the_vectors_that_the_teacher_embeds(teacher, tokenizer, monkeypatch):
    task = Distillation(teacher=teacher)
    loaded = []
    monkeypatch.setattr(distillation, "load", lambda path: loaded.append(path) or load(path))
    features = task.features([text("a fine film", "no fun"), text("no fun", "cold")], tokenizer)
    expected = load(teacher).embed(["a fine film", "no fun", "cold"])
    np.testing.assert_array_equal(features[0].targets["teacher_embedding"], expected[:2])
    np.testing.assert_array_equal(features[1].targets["teacher_embedding"], expected[1:])
    task.features([text("cold")], tokenizer)  # those of the dev examples
    assert loaded == [teacher]
    assert task.training_features([], features) == features


def test_two_columns_without_a_header_are_texts_or_pairs_as_the_settings_say(tmp_path):
    file = tmp_path / "train.tsv"
    file.write_text("a fine film\tein guter Film\nno fun\tkein Spass\n")
    with pytest.raises(InputError, match=r"train\.tsv has two columns and no header, and no label"):
        Distillation().read(str(file))
    (first, _) = Distillation(text_column="1").read(str(file))
    assert (first.text, first.text_pair) == ("a fine film", None)
    (first, _) = Distillation(text_column="1", text_pair_column="2").read(str(file))
    assert (first.text, first.text_pair) == ("a fine film", "ein guter Film")


def test_the_measures_are_the_mean_cosine_and_the_correlation_of_cosines():
    draw = np.random.default_rng(0)
    ours, theirs = draw.normal(size=(5, 2, 8)), draw.normal(size=(5, 2, 8))
    features = [type("Taught", (), {"targets": {"teacher_embedding": each}}) for each in theirs]

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    examples = [text("a", "b")] * 5
    found = Distillation().score_vectors(examples, list(ours), features)
    pairs = zip(ours.reshape(10, 8), theirs.reshape(10, 8), strict=True)
    assert found == {"teacher_cosine": pytest.approx(np.mean([cosine(*p) for p in pairs]))}
    found = Distillation(loss="cosines").score_vectors(examples, list(ours), features)
    cosines = [[cosine(*pair) for pair in side] for side in (ours, theirs)]
    assert found == {"spearman": pytest.approx(stats.spearmanr(*cosines)[0])}


def test_vectors_that_the_student_cuts_are_measured_by_the_teachers_first_values(
    teacher, encoder_path, tokenizer
):
    task = Distillation(teacher=teacher)
    student = task.open_model(encoder_path, truncate_dim=8)
    examples = [text(each) for each in TEXTS[:6]]
    scores, _ = task.measure(student, examples, task.features(examples, tokenizer))
    ours, theirs = student.embed(TEXTS[:6]), load(teacher).embed(TEXTS[:6])[:, :8]
    expected = [1 - distance.cosine(*pair) for pair in zip(ours, theirs, strict=True)]
    assert scores == {"teacher_cosine": pytest.approx(np.mean(expected), abs=1e-5)}


def test_a_teacher_has_the_width_that_embed_gives(encoder_path, tokenizer, tmp_path):
    """Its ``truncate_dim``, where that is below the width of its vectors."""
    wide = make_teacher(tmp_path / "wide", tokenizer, 32, truncate_dim=64)
    Distillation(teacher=wide).open_model(encoder_path)
    cut = make_teacher(tmp_path / "cut", tokenizer, 32, dense_units=24, truncate_dim=16)
    with pytest.raises(InputError, match="have 16 values, those of the model 32"):
        Distillation(teacher=cut).open_model(encoder_path)


def test_a_teacher_of_another_width_or_without_vectors_is_refused(narrow, encoder_path):
    with pytest.raises(InputError, match=r"have 16 values, those of the model 32: take a teacher"):
        Distillation(teacher=narrow).open_model(encoder_path)
    with pytest.raises(InputError, match="is no sentence encoder"):
        Distillation(teacher=str(encoder_path)).open_model(encoder_path)
    with pytest.raises(InputError, match=r"set data\.teacher to a sentence encoder"):
        Distillation().adapted_to([text("a")])


def test_data_and_settings_that_do_not_fit_are_refused():
    task = Distillation(teacher="teacher")
    pair = text("a", "b", where="line 2")
    with pytest.raises(InputError, match="line 1 is a single text and line 2 a pair"):
        task.adapted_to([text("a", where="line 1"), pair])
    assert task.adapted_to([pair]) == task
    with pytest.raises(InputError, match=r"data\.loss = 'cosines' is of two"):
        Distillation(loss="cosines").labels_of([text("a")])
    with pytest.raises(InputError, match=r"data\.matryoshka: the teacher has no shorter"):
        Distillation(matryoshka=(8,))
    with pytest.raises(InputError, match=r"leave it out\. Received: 0\.1"):
        Distillation(temperature=0.1)
