"""``python -m bert_keras`` is ``bert-keras``."""

import atexit
import os
import sys

from bert_keras.signals import Stopped, is_call_left, listening


def main() -> int:
    """Runs the command line; Ctrl-C and SIGTERM end even its imports in one line.

    Returns:
        The exit code.
    """
    with listening():
        try:
            from bert_keras.cli import main as run

            code = run()
        except Stopped as stopped:
            print("bert-keras: interrupted", file=sys.stderr)
            code = stopped.exit_code
        if is_call_left():
            atexit._run_exitfuncs()  # clear away temporary files, TensorFlow's among them
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
