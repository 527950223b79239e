import hashlib
import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from bert_keras.errors import InputError
from bert_keras.export import comparison, export_saved_model
from bert_keras.export.samples import SENTENCES
from bert_keras.modeling import BertForSequenceClassification
from bert_keras.tasks import fill_mask, predict
from bert_keras.tokenization import BertTokenizer

REST = ["pairs", "multi_label", "regression", "several_numbers", "encoder",
        "sentence_embedding", "next_sentence", "masked_lm", "pretraining"]  # fmt: skip
TEXTS = [*SENTENCES, "fine " * 100]
CPU = ("/device:CPU:0", "/device:CPU:*")


def test_labels_and_probabilities_are_those_of_predict(make_model, session, strings):
    answers = session("classification").run("serving_default", {"text": strings(TEXTS)})
    expected = predict(make_model("classification"), TEXTS)
    assert [label.decode() for label in answers["labels"]] == [e["label"] for e in expected]
    assert len({e["label"] for e in expected}) > 1, "a test that cannot tell labels apart"
    np.testing.assert_allclose(answers["scores"], [e["score"] for e in expected], atol=1e-5)
    np.testing.assert_allclose(
        answers["probabilities"], [list(e["scores"].values()) for e in expected], atol=1e-5
    )
    assert answers["classes"][0].tolist() == [
        label.encode() for label in make_model("classification").labels
    ]


@pytest.mark.system
def test_an_export_warns_of_nothing_in_its_own_sample_texts(make_model, tmp_path, caplog):
    caplog.set_level(logging.WARNING, "bert_keras")
    export_saved_model(make_model("classification"), None, tmp_path)
    assert not caplog.messages


def test_a_text_is_answered_alike_in_any_company(session, strings):
    serving = session("classification")
    together = serving.run("serving_default", {"text": strings(TEXTS)})["probabilities"]
    alone = [serving.run("serving_default", {"text": strings([t])})["probabilities"] for t in TEXTS]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


def test_tokenize_gives_the_hosts_ids_padded_to_the_longest(session, tokenizer, strings):
    for texts in (TEXTS, TEXTS[:2]):
        ids = session("classification").run("tokenize", {"text": strings(texts)})
        rows = [e.input_ids for e in tokenizer.encode_batch(texts, max_length=64)]
        assert ids["input_ids"].shape == (len(texts), max(map(len, rows)))
        for row, given, mask in zip(rows, ids["input_ids"], ids["attention_mask"], strict=True):
            assert given[: len(row)].tolist() == row
            assert mask.tolist() == [1] * len(row) + [0] * (len(given) - len(row))


def test_ids_of_any_padding_are_answered_as_their_text(session, strings):
    serving = session("classification")
    texts = {"text": strings(TEXTS[:5])}
    ids = serving.run("tokenize", texts)
    expected = serving.run("serving_default", texts)["probabilities"]
    for extra in (0, 3):
        batch = {name: np.pad(array, [(0, 0), (0, extra)]) for name, array in ids.items()}
        given = serving.run("tokens", batch)["probabilities"]
        np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.system
def test_a_pair_is_read_in_its_order(make_model, session, strings, tokenizer):
    first, second = TEXTS[:6], TEXTS[6:12]
    inputs = {"text_a": strings(first), "text_b": strings(second)}
    answers = session("pairs").run("serving_default", inputs)
    expected = predict(make_model("pairs"), first, second, max_seq_length=24)
    np.testing.assert_allclose(
        answers["probabilities"], [list(e["scores"].values()) for e in expected], atol=1e-5
    )
    ids = session("pairs").run("tokenize", inputs)
    rows = tokenizer.encode_batch(first, second, 24)
    for row, given, types in zip(rows, ids["input_ids"], ids["token_type_ids"], strict=True):
        assert given[: len(row.input_ids)].tolist() == row.input_ids
        assert types[: len(row.input_ids)].tolist() == row.token_type_ids


@pytest.mark.parametrize(
    "kind",
    [
        "classification",
        *(pytest.param(kind, marks=pytest.mark.system) for kind in ("tagging", "encoder")),
    ],
)
def test_the_report_says_what_each_output_means(kind, exported):
    report = json.loads((exported(kind) / "export_report.json").read_text())
    assert report["outputs"].keys() == report["signatures"]["serving_default"]["outputs"].keys()
    assert all(report["outputs"].values())


def test_every_operation_of_a_bert_is_one_that_onnx_has(exported):
    report = json.loads((exported("classification") / "export_report.json").read_text())
    assert report["operations"]["Erf"] > 0  # exact GELU; TensorFlow's own way is Erfc
    assert "Erfc" not in report["operations"]


@pytest.mark.slow
class TestOtherKinds:
    def test_any_number_of_labels(self, make_model, session, strings):
        answers = session("multi_label").run("serving_default", {"text": strings(TEXTS)})
        expected = predict(make_model("multi_label"), TEXTS)
        given = [[name.decode() for name in row if name] for row in answers["labels"]]
        assert given == [e["labels"] for e in expected]
        assert len({len(row) for row in given}) > 1
        np.testing.assert_allclose(
            answers["probabilities"], [list(e["scores"].values()) for e in expected], atol=1e-5
        )

    def test_a_number(self, make_model, session, strings):
        scores = session("regression").run("serving_default", {"text": strings(TEXTS)})["scores"]
        expected = [e["score"] for e in predict(make_model("regression"), TEXTS)]
        np.testing.assert_allclose(scores, expected, atol=1e-4)

    def test_several_numbers_with_their_names(self, make_model, session, strings):
        model = make_model("several_numbers")
        answers = session("several_numbers").run("serving_default", {"text": strings(TEXTS)})
        expected = [e["scores"] for e in predict(model, TEXTS)]
        np.testing.assert_allclose(
            answers["scores"], [list(row.values()) for row in expected], atol=1e-4
        )
        names = [[name.decode() for name in row] for row in answers["names"]]
        assert names == [list(row) for row in expected]

    def test_words_for_each_mask(self, make_model, session, strings):
        texts = ["a [MASK] film", "no mask", "[MASK], [MASK] and [MASK]!"]
        answers = session("masked_lm").run("serving_default", {"text": strings(texts)})
        assert answers["tokens"].shape == answers["scores"].shape == (3, 3, 3)
        assert answers["positions"][1].tolist() == [-1, -1, -1]
        assert not answers["scores"][1].any()
        assert set(answers["tokens"][0, 1:].ravel()) == {b""}
        for row in (0, 2):
            masks = fill_mask(make_model("masked_lm"), texts[row], top=3)
            for number, candidates in enumerate(masks):
                given = [token.decode() for token in answers["tokens"][row, number]]
                assert given == [c.token for c in candidates]
                np.testing.assert_allclose(
                    answers["scores"][row, number], [c.score for c in candidates], atol=1e-5
                )

    def test_more_masks_than_are_scored_at_a_time(self, make_model, session, tokenizer, config):
        ids = np.full((8, config.max_position_embeddings), tokenizer.mask_id, np.int32)
        ids[:, 0] = np.arange(8) + 10
        batch = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        batch["token_type_ids"] = np.zeros_like(ids)
        answers = session("masked_lm").run("tokens", batch)
        logits = make_model("masked_lm")(batch)["masked_lm_logits"]
        scores, pieces = tf.math.top_k(tf.nn.softmax(logits[:, 1:]), 3)
        np.testing.assert_allclose(answers["scores"], scores, atol=1e-5)
        assert answers["tokens"].tolist() == tf.gather(tokenizer.vocab, pieces).numpy().tolist()

    def test_vectors_of_texts_and_tokens(self, make_model, session, strings, tokenizer):
        answers = session("encoder").run("serving_default", {"text": strings(TEXTS)})
        for row, text in enumerate(TEXTS):
            ids = tokenizer.encode(text, max_length=64).input_ids
            outputs = make_model("encoder")({"input_ids": np.array([ids])})
            tokens = outputs["sequence_output"][0].numpy()
            given = answers["sequence_output"][row]
            np.testing.assert_allclose(given[: len(ids)], tokens, atol=1e-5)
            assert not given[len(ids) :].any()
            np.testing.assert_allclose(answers["cls_embedding"][row], tokens[0], atol=1e-5)
            np.testing.assert_allclose(answers["mean_embedding"][row], tokens.mean(0), atol=1e-5)
            pooled = outputs["pooled_output"][0]
            np.testing.assert_allclose(answers["pooled_output"][row], pooled, atol=1e-5)

    def test_sentence_vectors(self, make_model, session, strings):
        answers = session("sentence_embedding").run("serving_default", {"text": strings(TEXTS)})
        expected = make_model("sentence_embedding").embed(TEXTS)
        np.testing.assert_allclose(answers["sentence_embedding"], expected, atol=1e-5)

    @pytest.mark.parametrize("kind", REST)
    def test_every_row_has_its_answer_in_any_company(self, kind, session, strings):
        serving = session(kind)
        names = list(serving.signatures["serving_default"].inputs)
        inputs = {name: strings(TEXTS[n:] + TEXTS[:n]) for n, name in enumerate(names)}
        together = serving.run("serving_default", inputs)
        assert {len(array) for array in together.values()} == {len(TEXTS)}
        for row in (0, 4, len(TEXTS) - 1):
            one = {name: array[row : row + 1] for name, array in inputs.items()}
            for name, array in serving.run("serving_default", one).items():
                if array.dtype.kind == "f":
                    part = together[name][row : row + 1]
                    part = part[tuple(slice(size) for size in array.shape)]
                    np.testing.assert_allclose(array, part, atol=1e-5)


class TestFiles:
    def test_every_weight_is_stored_once(self, make_model, exported):
        path = exported("classification") / "variables"
        stored = tf.train.list_variables(str(path / "variables"))
        sizes = [int(np.prod(shape)) for name, shape in stored if "OBJECT_GRAPH" not in name]
        weights = make_model("classification").trainable_weights
        assert sorted(sizes) == sorted(w.shape.num_elements() for w in weights)
        data = (path / "variables.data-00000-of-00001").stat().st_size
        assert data < 4 * sum(sizes) + 10_000

    def test_the_arithmetic_names_no_device_wherever_it_was_exported(self, exported):
        saved = saved_model_pb2.SavedModel()
        saved.ParseFromString((exported("classification") / "saved_model.pb").read_bytes())
        (graph,) = (meta.graph_def for meta in saved.meta_graphs)
        nodes = [n for function in graph.library.function for n in function.node_def]
        products = [node for node in nodes if node.op == "MatMul"]
        assert len(products) > 8
        assert {node.device for node in products} == {""}
        # Where variables are read back the CPU is named, which every server has.
        assert {node.device for node in [*graph.node, *nodes]} <= {"", *CPU}

    def test_the_report_says_what_lies_beside_it(self, exported, tokenizer):
        folder = exported("classification")
        report = json.loads((folder / "export_report.json").read_text())
        assert report["comparison_with_keras"]["largest_difference"] < 1e-5
        assert report["comparison_with_keras"]["texts"] > 20
        assert report["comparison_with_keras"]["longest"] == 64
        assert set(report["signatures"]) == {"serving_default", "tokens", "tokenize"}
        files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert files == {*report["files"], "export_report.json"}
        for name, described in report["files"].items():
            data = (folder / name).read_bytes()
            assert described["sha256"] == hashlib.sha256(data).hexdigest()

    @pytest.mark.system
    def test_versions_count_up_and_coarser_weights_are_half_the_size(
        self, make_model, exported, session, strings
    ):
        path = exported("classification").parent
        report = export_saved_model(make_model("classification"), None, path, weights="bfloat16")
        assert report["version"] == str(path / "2")
        assert (path / "2" / "saved_model.pb").exists()
        assert sorted(p.name for p in path.iterdir()) == ["1", "2"]
        assert report["weights"]["bytes"] * 2 == report["weights"]["bytes_in_float32"]
        assert 1e-5 < report["comparison_with_keras"]["largest_difference"] < 0.1


@pytest.mark.system
def test_a_text_that_is_cut_counts_max_length_tokens(make_model, tmp_path, tokenizer):
    model = make_model("classification")
    report = export_saved_model(model, tokenizer, tmp_path / "served", max_length=16)
    assert report["comparison_with_keras"]["longest"] == 16


@pytest.mark.system
@pytest.mark.parametrize("kind", ["classification", "tagging", "span"])
def test_nothing_is_said_of_texts_that_only_the_comparison_reads(
    kind, make_model, tmp_path, caplog
):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "fine", "film"]
    words += [f"[unused{n}]" for n in range(make_model(kind).config.vocab_size - len(words))]
    with caplog.at_level(logging.INFO, "bert_keras"):
        export_saved_model(make_model(kind), BertTokenizer(words), tmp_path / "out", max_length=16)
    assert [record.getMessage() for record in caplog.records] == []


class TestWhatFailsLeavesNothing:
    @pytest.mark.system
    def test_answers_that_disagree(self, make_model, tmp_path, monkeypatch):
        monkeypatch.setattr(comparison, "TOLERANCE", 1e-12)
        with pytest.raises(InputError, match=r"disagrees with Keras: .* differ by up to"):
            export_saved_model(make_model("classification"), None, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.system
    def test_weights_that_are_not_finite(self, config, tokenizer, tmp_path):
        model = BertForSequenceClassification(config)
        model.classifier.output_dense.bias.assign([np.nan, 0.0])
        with pytest.raises(InputError, match="not finite"):
            export_saved_model(model, tokenizer, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("kind", "settings", "message"),
        [
            ("classification", {"max_length": 65}, "reads 64 tokens at most"),
            ("classification", {"weights": "int8"}, "weights cannot be 'int8'"),
            ("classification", {"wieghts": "float32"}, "no such setting"),
            ("masked_lm", {"pair": True}, "takes single texts"),
        ],
    )
    def test_settings_that_do_not_suit(self, kind, settings, message, make_model, tmp_path):
        with pytest.raises(InputError, match=message):
            export_saved_model(make_model(kind), None, tmp_path / "out", **settings)
        assert list(tmp_path.iterdir()) == []

    def test_a_model_without_tokenizer(self, config, tmp_path):
        with pytest.raises(InputError, match="no tokenizer"):
            export_saved_model(BertForSequenceClassification(config), None, tmp_path / "out")
