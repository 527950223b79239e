"""Model configs (``BertConfig``) and run configs (TOML recipes)."""

from bert_keras.config.export import ExportConfig, SavedModelConfig, TFLiteConfig
from bert_keras.config.finetune import (
    FinetuneConfig,
    FinetuneModelConfig,
    FinetuneOptimizerConfig,
    FinetuneTrainConfig,
    FinetuneWatchConfig,
    TaskDataConfig,
)
from bert_keras.config.model import BertConfig
from bert_keras.config.pretrain import (
    MASKINGS,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    PhaseConfig,
    PretrainConfig,
    TrainConfig,
)
from bert_keras.config.run import (
    AUTO,
    ArithmeticConfig,
    CheckpointConfig,
    DistributionConfig,
    WatchConfig,
)
from bert_keras.config.toml import (
    all_values,
    dump_toml,
    flat,
    from_tables,
    load_toml,
    naming_recipe,
    to_tables,
)

__all__ = [
    "AUTO",
    "MASKINGS",
    "ArithmeticConfig",
    "BertConfig",
    "CheckpointConfig",
    "DataConfig",
    "DistributionConfig",
    "ExportConfig",
    "FinetuneConfig",
    "FinetuneModelConfig",
    "FinetuneOptimizerConfig",
    "FinetuneTrainConfig",
    "FinetuneWatchConfig",
    "ModelConfig",
    "OptimizerConfig",
    "PhaseConfig",
    "PretrainConfig",
    "SavedModelConfig",
    "TFLiteConfig",
    "TaskDataConfig",
    "TrainConfig",
    "WatchConfig",
    "all_values",
    "dump_toml",
    "flat",
    "from_tables",
    "load_toml",
    "naming_recipe",
    "to_tables",
]
