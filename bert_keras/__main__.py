"""``python -m bert_keras`` is ``bert-keras``."""

import sys

from bert_keras.signals import Stopped, listening


def main() -> int:
    """Runs the command line; Ctrl-C and SIGTERM end even its imports in one line.

    Returns:
        The exit code.
    """
    with listening():
        try:
            from bert_keras.cli import main as run

            return run()
        except Stopped as stopped:
            print("bert-keras: interrupted", file=sys.stderr)
            return stopped.exit_code


if __name__ == "__main__":
    sys.exit(main())
