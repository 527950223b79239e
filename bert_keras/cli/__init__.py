"""The subcommands of ``bert-keras``, in the order of their use.

None of these modules imports TensorFlow before its command runs.
"""

from bert_keras.cli import (
    convert,
    doctor,
    embed,
    evaluate,
    export,
    fill_mask,
    finetune,
    finish,
    mine,
    plot,
    predict,
    prepare,
    pretrain,
    push,
    quickstart,
    search,
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
    embed,
    search,
    mine,
    convert,
    export,
    push,
    finish,
    plot,
    doctor,
)
