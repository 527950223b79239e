import pytest

from bert_keras.config import DataConfig, ModelConfig, OptimizerConfig, PretrainConfig, TrainConfig
from bert_keras.config.pretrain import PhaseConfig
from bert_keras.errors import InputError


def test_defaults_are_the_papers_pretraining():
    # Devlin et al. 2019, appendix A.2, and the flags of the original scripts.
    config = PretrainConfig()
    assert config.optimizer.learning_rate == 1e-4
    assert config.train.steps == 1_000_000
    assert config.optimizer.warmup_ratio * config.train.steps == 10_000
    assert config.train.batch_size == 256
    assert (config.data.max_seq_length, config.data.max_predictions_per_seq) == (128, 20)
    assert (config.data.masking_rate, config.data.short_seq_prob) == (0.15, 0.1)
    assert not config.optimizer.bias_correction


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (DataConfig, {"max_predictions_per_seq": 129}, "between 1 and max_seq_length"),
        (DataConfig, {"max_predictions_per_seq": 0}, "between 1 and max_seq_length"),
        (DataConfig, {"max_seq_length": 4, "max_predictions_per_seq": 1}, "at least 5"),
        (DataConfig, {"masking_rate": 0.0}, "masking_rate must lie in"),
        (DataConfig, {"masking_rate": 1.5}, "masking_rate must lie in"),
        (DataConfig, {"short_seq_prob": -0.1}, "short_seq_prob must lie in"),
        (DataConfig, {"eval_fraction": 1.0}, "eval_fraction must lie in"),
        (DataConfig, {"masking": "tokens"}, "did you mean 'token'"),
        (DataConfig, {"next_sentence": "npp"}, "did you mean 'nsp'"),
        (OptimizerConfig, {"learning_rate": 2.0}, "learning_rate must lie in"),
        (OptimizerConfig, {"warmup_ratio": 1.1}, "warmup_ratio must lie in"),
        (OptimizerConfig, {"beta_2": 1.0}, "beta_2 must lie in"),
        (OptimizerConfig, {"clip_norm": -1.0}, "clip_norm must not be negative"),
        (TrainConfig, {"steps": 0}, "train.steps must be at least 1"),
        (TrainConfig, {"precision": "bfloat16"}, "did you mean 'mixed_bfloat16'"),
        (ModelConfig, {"preset": "huge"}, "no preset 'huge'"),
        (ModelConfig, {"hidden_size": 100, "num_attention_heads": 3}, "multiple of"),
    ],
)
def test_impossible_values_are_refused_with_the_rule(cls, values, message):
    with pytest.raises(InputError, match=message) as error:
        cls(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("masking", ["token", "whole_word", "span"])
@pytest.mark.parametrize("next_sentence", ["nsp", "sop", "none"])
def test_every_masking_goes_with_every_next_sentence_task(masking, next_sentence):
    config = DataConfig(masking=masking, next_sentence=next_sentence)
    assert (config.masking, config.next_sentence) == (masking, next_sentence)


def test_sequences_longer_than_the_position_table_are_refused():
    with pytest.raises(InputError, match="max_position_embeddings"):
        PretrainConfig(data=DataConfig(max_seq_length=600))
    phase = PhaseConfig(until=0.5, max_seq_length=600, max_predictions_per_seq=20)
    with pytest.raises(InputError, match="max_position_embeddings"):
        PretrainConfig(data=DataConfig(phases=(phase,)))


def test_phases_must_follow_one_another():
    phases = [
        PhaseConfig(until=until, max_seq_length=16, max_predictions_per_seq=3)
        for until in (0.6, 0.3)
    ]
    with pytest.raises(InputError, match="one after the other"):
        DataConfig(phases=tuple(phases))


def test_a_phase_refuses_a_sentence_task_that_there_is_not():
    with pytest.raises(InputError, match=r"data.phases.next_sentence.*did you mean 'nsp'"):
        PhaseConfig(until=0.5, max_seq_length=8, max_predictions_per_seq=1, next_sentence="nspp")


def test_model_table_changes_single_fields_of_a_preset():
    config = ModelConfig(preset="mini", hidden_dropout_prob=0.0).bert_config(vocab_size=500)
    assert (config.vocab_size, config.hidden_size, config.hidden_dropout_prob) == (500, 256, 0.0)


def test_a_vocabulary_size_that_is_not_the_corpuss_is_refused():
    with pytest.raises(InputError, match="the vocabulary has 500"):
        ModelConfig(vocab_size=400).bert_config(vocab_size=500)
