"""XLM-R (Conneau et al. 2020): RoBERTa under another name, whose tokens are a Unigram's."""

import keras

from bert_keras.saving.families.family import Family, register_family
from bert_keras.saving.families.roberta import RobertaEncoder, roberta_classes


@keras.saving.register_keras_serializable(package="bert_keras")
class XLMRobertaEncoder(RobertaEncoder):
    """XLM-R without a head; called as ``BertEncoder`` is."""


register_family(
    Family(
        model_type="xlm-roberta",
        title="XLM-R",
        **roberta_classes("XLMRoberta", XLMRobertaEncoder),
    )
)
