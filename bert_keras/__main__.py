"""``python -m bert_keras`` is ``bert-keras``."""

import signal
import sys


def main() -> int:
    """Runs the command line; Ctrl-C ends even its imports in one line.

    Returns:
        The exit code.
    """
    # So that what is half done is cleared away, as it is after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        from bert_keras.cli import main as run

        return run()
    except KeyboardInterrupt:
        print("bert-keras: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
