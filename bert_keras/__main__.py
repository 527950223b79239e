"""``python -m bert_keras`` is ``bert-keras``."""

import atexit
import os
import sys

from bert_keras.signals import Stopped, listening
from bert_keras.temporary import TemporaryFiles


def main() -> int:
    """Runs the command line; Ctrl-C and SIGTERM end even its imports in one line.

    Returns:
        The exit code.
    """
    temporary_files = TemporaryFiles()
    with listening() as request:
        try:
            with request.heeded():
                from bert_keras.cli import main as run

                code = run()
        except Stopped as stopped:
            print("bert-keras: interrupted", file=sys.stderr)
            code = stopped.exit_code
        if request.signal_number:
            # Python's own end would take apart all that is in memory, and wait for what libraries
            # still compute, or crash it. What others asked to be done at the end is done.
            atexit._run_exitfuncs()
            temporary_files.remove()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
