"""The subcommands of ``bert-keras``, in the order of their use.

None of these modules imports TensorFlow before its command runs.
"""

from bert_keras.cli import (
    convert,
    doctor,
    evaluate,
    export,
    fill_mask,
    finetune,
    finish,
    plot,
    predict,
    prepare,
    pretrain,
    quickstart,
    vocab,
)

COMMANDS = (
    quickstart,
    vocab,
    prepare,
    pretrain,
    fill_mask,
    finetune,
    evaluate,
    predict,
    convert,
    export,
    finish,
    plot,
    doctor,
)
