"""``python -m bert_keras`` is ``bert-keras``."""

import sys

from bert_keras.cli import main

if __name__ == "__main__":
    sys.exit(main())
