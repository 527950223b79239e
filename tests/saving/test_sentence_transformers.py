import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bert_keras
from bert_keras import BertEncoder, BertForMaskedLM, BertForSentenceEmbedding, BertTokenizer
from bert_keras.errors import InputError
from bert_keras.saving.sentence_transformers import settings_files
from tests.support.files import edit_json
from tests.support.models import VOCAB, assert_same_weights, make_model, refusal

TEXTS = ["a b ac", "b", "a a a a a a a", ""]


@pytest.fixture
def embedding(tmp_path: Path) -> Path:
    """A directory as sentence-transformers writes it, max_seq_length 4."""
    bert_keras.save(make_model(BertEncoder), tmp_path / "model", BertTokenizer(VOCAB))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds.items())
    ]
    (tmp_path / "model" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "model" / "1_Pooling").mkdir()
    _set_pooling(tmp_path / "model", pooling_mode_mean_tokens=True)
    (tmp_path / "model" / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    return tmp_path / "model"


def _set_pooling(path: Path, **modes: bool) -> None:
    values = {"word_embedding_dimension": 4, "pooling_mode_cls_token": False} | modes
    (path / "1_Pooling" / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_embedding_is_the_pooled_output_of_the_cut_text(pooling: str, embedding: Path) -> None:
    key = "pooling_mode_cls_token" if pooling == "cls" else f"pooling_mode_{pooling}_tokens"
    _set_pooling(embedding, **{key: True})
    model = bert_keras.load(embedding)
    vectors = model.embed(TEXTS, batch_size=2)
    encoder = bert_keras.load(embedding, BertEncoder)
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = model.tokenizer.encode(text, max_length=4).input_ids
        output = encoder({"input_ids": np.array([ids])})["sequence_output"].numpy()[0]
        pooled = {"mean": output.mean(0), "cls": output[0], "max": output.max(0)}[pooling]
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=1e-6)


def test_directory_of_ours_is_one_of_theirs(embedding: Path, tmp_path: Path) -> None:
    model = bert_keras.load(embedding)
    bert_keras.save(model, tmp_path / "again")
    loaded = bert_keras.load(tmp_path / "again", packed=True)
    assert_same_weights(loaded, model)  # the pooler too, which the vectors do not need
    np.testing.assert_allclose(loaded.embed(TEXTS), model.embed(TEXTS), atol=1e-6)
    ours, theirs = (
        json.loads((path / "modules.json").read_text()) for path in (tmp_path / "again", embedding)
    )
    assert ours == theirs
    bert_keras.save(model, tmp_path / "m.keras", format="keras")
    np.testing.assert_array_equal(
        bert_keras.load(tmp_path / "m.keras").embed(TEXTS), model.embed(TEXTS)
    )


def test_without_normalization_vectors_keep_their_length(embedding: Path) -> None:
    file = embedding / "modules.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:2]))
    model, encoder = bert_keras.load(embedding), bert_keras.load(embedding, BertEncoder)
    vectors = model.embed(TEXTS)  # in one batch, where the shorter ones are padded
    for text, vector in zip(TEXTS, vectors, strict=True):
        ids = model.tokenizer.encode(text, max_length=4).input_ids
        output = encoder({"input_ids": np.array([ids])})["sequence_output"].numpy()[0]
        np.testing.assert_allclose(vector, output.mean(0), atol=1e-6)
    assert not np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=0.01)


def test_one_text_gives_one_vector(embedding: Path) -> None:
    model = bert_keras.load(embedding)
    np.testing.assert_array_equal(model.embed("a text"), model.embed(["a text"])[0])


def test_no_texts_give_no_vectors(embedding: Path) -> None:
    assert bert_keras.load(embedding).embed([]).shape == (0, 4)


def test_plain_encoder_can_be_opened_to_embed(tmp_path: Path) -> None:
    bert_keras.save(make_model(), tmp_path / "model", BertTokenizer(VOCAB))
    model = bert_keras.load(tmp_path / "model", BertForSentenceEmbedding, pooling="cls")
    assert model.embed(["a"]).shape == (1, 4)
    assert model.report.new == []


@pytest.mark.parametrize(
    ("said", "of_tokenizer", "length"),
    [(4, 3, 4), (None, 3, 3), (None, 10**30, 5), (None, None, 5), (99, 3, 5)],
)
def test_length_is_what_is_said_else_the_tokenizers_as_far_as_there_are_positions(
    said: int | None, of_tokenizer: int | None, length: int, embedding: Path, tmp_path: Path
) -> None:
    edit_json(embedding / "sentence_bert_config.json", max_seq_length=said)
    edit_json(embedding / "tokenizer_config.json", model_max_length=of_tokenizer)
    model = bert_keras.load(embedding)
    assert model.default_length == length
    bert_keras.save(model, tmp_path / "again")
    written = json.loads((tmp_path / "again" / "sentence_bert_config.json").read_text())
    assert written["max_seq_length"] == length
    assert bert_keras.load(tmp_path / "again").default_length == length


def test_length_by_the_name_of_a_distilbert_is_read(embedding: Path) -> None:
    (embedding / "sentence_bert_config.json").rename(embedding / "sentence_distilbert_config.json")
    assert bert_keras.load(embedding).default_length == 4


def test_prompt_stands_before_every_text_unless_told_otherwise(
    embedding: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "bert_keras")
    plain = bert_keras.load(embedding)
    file = embedding / "config_sentence_transformers.json"
    edit_json(file, prompts={"first": "b ", "second": "ac "}, default_prompt_name="first")
    model = bert_keras.load(embedding)
    assert "read after the default prompt 'b ' (first)" in caplog.text
    for options, prompt in (
        ({}, "b "),
        ({"prompt_name": "second"}, "ac "),
        ({"prompt": "ac b "}, "ac b "),
        ({"prompt": ""}, ""),
        ({"prompt_name": "query"}, ""),  # every model has it, empty
    ):
        expected = plain.embed([prompt + text for text in TEXTS])
        np.testing.assert_allclose(model.embed(TEXTS, **options), expected, atol=1e-6)
    with pytest.raises(InputError, match=r"no prompt 'third'; its prompts .*first, second"):
        model.embed(TEXTS, prompt_name="third")
    with pytest.raises(InputError, match="not both"):
        model.embed(TEXTS, prompt_name="first", prompt="a")


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_prompt_may_be_read_but_not_pooled(pooling: str, embedding: Path) -> None:
    key = "pooling_mode_cls_token" if pooling == "cls" else f"pooling_mode_{pooling}_tokens"
    _set_pooling(embedding, **{key: True, "include_prompt": False})
    (embedding / "modules.json").write_text(
        json.dumps(json.loads((embedding / "modules.json").read_text())[:2])
    )
    vector = bert_keras.load(embedding).embed(["a"], prompt="b ")[0]
    encoder = bert_keras.load(embedding, BertEncoder)
    output = encoder({"input_ids": np.array([[2, 6, 5, 3]])})["sequence_output"].numpy()[0, 2:]
    pooled = {"mean": output.mean(0), "cls": output[0], "max": output.max(0)}[pooling]
    np.testing.assert_allclose(vector, pooled, atol=1e-6)


def test_every_key_of_the_files_is_written_back(embedding: Path, tmp_path: Path) -> None:
    of_model = {
        "__version__": {"sentence_transformers": "3.0.0"},
        "prompts": {"query": "a "},
        "default_prompt_name": None,
        "similarity_fn_name": "euclidean",
    }
    edit_json(embedding / "config_sentence_transformers.json", **of_model)
    edit_json(embedding / "sentence_bert_config.json", unpad_inputs=False, do_lower_case=True)
    bert_keras.save(bert_keras.load(embedding), tmp_path / "m.keras", format="keras")
    bert_keras.save(bert_keras.load(tmp_path / "m.keras"), tmp_path / "again")
    for name in ("config_sentence_transformers.json", "sentence_bert_config.json"):
        before, after = (
            json.loads((p / name).read_text()) for p in (embedding, tmp_path / "again")
        )
        assert before == after


@pytest.mark.parametrize(
    ("name", "changes", "word"),
    [
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "'SparseEncoder'"),
        ("config_sentence_transformers.json", {"model_type": ["a"]}, "model_type must be"),
        ("config_sentence_transformers.json", {"default_prompt_name": [1]}, "must be a name"),
        (
            "config_sentence_transformers.json",
            {"prompts": ["a"]},
            "prompts must give a text to each name",
        ),
        ("config_sentence_transformers.json", {"default_prompt_name": "x"}, "no prompt 'x'"),
        ("sentence_bert_config.json", {"max_seq_length": "many"}, "must be a whole number"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer_task must"),
        ("sentence_bert_config.json", {"query_length": 9}, "query_length is not supported"),
        ("sentence_bert_config.json", {"tokenizer_args": {"a": 1}}, "tokenizer_args is not"),
        ("sentence_bert_config.json", {"do_lower_case": "yes"}, "do_lower_case must be true"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_cls_token": 1},
            "pooling_mode_cls_token must be true or false. Received: 1",
        ),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}, "Received: mean, cls"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "Received: lasttoken"),
        ("1_Pooling/config.json", {"weights": 1}, "not understood: weights"),
        ("1_Pooling/config.json", {"embedding_dimension": 9}, "must be the encoder's hidden_size"),
        ("1_Pooling/config.json", {"include_prompt": "no"}, "include_prompt must be true"),
        ("2_Normalize/config.json", {"module_input_name": "token_embeddings"}, "module_input_name"),
    ],
)
def test_what_is_not_understood_is_refused_by_file_and_key(
    name: str, changes: Any, word: str, embedding: Path
) -> None:
    _set_pooling(embedding, pooling_mode_mean_tokens=True)
    (embedding / "2_Normalize").mkdir()
    edit_json(embedding / name, **changes)
    message = refusal(embedding)
    assert word in message
    assert "default_prompt_name" in changes or name in message


@pytest.mark.parametrize("name", ["config_sentence_transformers.json", "sentence_bert_config.json"])
def test_unknown_keys_are_named(
    name: str, embedding: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_json(embedding / name, novelty=1)
    bert_keras.load(embedding)
    assert f"{name}: kept, but not understood: novelty" in caplog.text


def test_module_of_another_package_is_not_taken_for_ours(embedding: Path) -> None:
    text = (embedding / "modules.json").read_text()
    changed = text.replace("sentence_transformers.models.Pooling", "mine.Pooling")
    (embedding / "modules.json").write_text(changed)
    assert "Received: Transformer, mine.Pooling, Normalize" in refusal(embedding)


def test_encoder_in_a_folder_of_its_own_is_named(embedding: Path) -> None:
    (embedding / "0_Transformer").mkdir()
    (embedding / "config.json").rename(embedding / "0_Transformer" / "config.json")
    assert "must lie in the folder itself; copy" in refusal(embedding)


def test_encoder_under_a_masked_lm_head_is_pooled_as_its_modules_say(
    embedding: Path, tmp_path: Path
) -> None:
    bert_keras.save(make_model(BertForMaskedLM), tmp_path / "lm", BertTokenizer(VOCAB))
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "lm" / name).replace(embedding / name)
    model = bert_keras.load(embedding)
    assert isinstance(model, BertForSentenceEmbedding)
    assert all(name.startswith("cls.") for name in model.report.left_out)


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "[1]", '[{"type": "x.Transformer", "path": ""}, {"type": "x.Dense", "path": "1"}]'],
)
def test_other_modules_are_refused(text: str, embedding: Path) -> None:
    (embedding / "modules.json").write_text(text)
    assert "modules.json" in refusal(embedding)


@pytest.mark.parametrize(
    "folder", ["../1_Pooling", "..", ".", "", "/1_Pooling", 1, None, ["1_Pooling"]]
)
def test_folder_of_a_module_is_one_below_and_never_leads_out(folder: Any, embedding: Path) -> None:
    (embedding.parent / "config.json").write_text((embedding / "1_Pooling/config.json").read_text())
    file = embedding / "modules.json"
    modules = json.loads(file.read_text())
    modules[1]["path"] = folder
    file.write_text(json.dumps(modules))
    assert "one below" in refusal(embedding)


def test_unknown_pooling_is_refused(embedding: Path) -> None:
    _set_pooling(embedding, pooling_mode_weightedmean_tokens=True)
    assert "pooling_mode_weightedmean_tokens" in refusal(embedding)


def test_a_module_outside_the_directory_names_no_file_there(tmp_path):
    """Else the fingerprint of a model would hash a file that is not its own."""
    modules = [{"path": path, "type": "x"} for path in ("", "..", "", "1_Pooling")]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    found = [name for name in settings_files(tmp_path) if "/" in name]
    assert found == ["1_Pooling/config.json"]
