import json

import pytest

from bert_keras.config import BertConfig
from bert_keras.errors import InputError


@pytest.mark.parametrize(
    ("name", "layers", "hidden", "heads", "intermediate"),
    [
        # Turc et al. 2019, table 1, and Devlin et al. 2019, section 3.
        ("tiny", 2, 128, 2, 512),
        ("mini", 4, 256, 4, 1024),
        ("small", 4, 512, 8, 2048),
        ("medium", 8, 512, 8, 2048),
        ("base", 12, 768, 12, 3072),
        ("large", 24, 1024, 16, 4096),
    ],
)
def test_presets_are_the_published_sizes(name, layers, hidden, heads, intermediate):
    config = BertConfig.from_preset(name)
    shape = (config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    assert (*shape, config.intermediate_size) == (layers, hidden, heads, intermediate)


def test_defaults_are_the_keys_and_values_of_googles_base_config():
    # bert_config.json of uncased_L-12_H-768_A-12, with what Hugging Face adds to it.
    published = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 768,
        "initializer_range": 0.02,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "type_vocab_size": 2,
        "vocab_size": 30522,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    assert BertConfig().to_dict() == published


def test_json_round_trip(tmp_path):
    config = BertConfig.from_preset("mini", vocab_size=77, hidden_act="gelu_new")
    config.to_json(tmp_path / "config.json")
    assert BertConfig.from_json(tmp_path / "config.json") == config


def test_keys_of_a_config_json_that_are_no_fields_are_passed_over(tmp_path):
    values = {"hidden_size": 64, "num_attention_heads": 2, "id2label": {"0": "a"}}
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert BertConfig.from_json(tmp_path / "config.json").hidden_size == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 100, "num_attention_heads": 3}, "multiple of num_attention_heads"),
        ({"vocab_size": 0}, "vocab_size must be a whole number of at least 1"),
        ({"num_hidden_layers": 2.5}, "num_hidden_layers must be a whole number"),
        ({"num_hidden_layers": True}, "num_hidden_layers must be a whole number"),
        ({"hidden_dropout_prob": 1.0}, r"hidden_dropout_prob must lie in \[0, 1\)"),
        ({"attention_probs_dropout_prob": -0.1}, "attention_probs_dropout_prob must lie"),
        ({"initializer_range": 0}, "initializer_range must be greater than 0"),
        ({"layer_norm_eps": "1e-12"}, "layer_norm_eps must be greater than 0"),
        ({"hidden_act": "gleu"}, "hidden_act must be one of"),
        ({"hidden_act": ["gelu"]}, "hidden_act must be one of"),
        ({"vocab_size": 10, "pad_token_id": 10}, "pad_token_id must be smaller"),
    ],
)
def test_impossible_values_are_refused_with_the_rule(changes, message):
    with pytest.raises(InputError, match=message) as error:
        BertConfig(**changes)
    assert "Received" in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_preset_names_the_presets():
    with pytest.raises(InputError, match="tiny, mini, small, medium, base, large"):
        BertConfig.from_preset("huge")


@pytest.mark.parametrize("text", ["", "{", "[1]", '"a"', "\x00"])
def test_a_file_that_holds_no_json_object_is_one_clear_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError) as error:
        BertConfig.from_json(tmp_path / "config.json")
    assert "config.json" in str(error.value)
    assert "\n" not in str(error.value)
