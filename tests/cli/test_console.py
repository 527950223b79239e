import logging
import subprocess
import sys

import pytest

from bert_keras.cli.console import notes_shown


def test_what_the_library_says_of_its_input_is_shown_once_and_on_standard_error(capsys):
    logger, root = logging.getLogger("bert_keras"), logging.getLogger()
    of_another_library = logging.StreamHandler()
    root.addHandler(of_another_library)
    with notes_shown():
        logger.info("the text is column %r", "review")
    logger.info("not shown any more")
    root.removeHandler(of_another_library)
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "the text is column 'review'\n"


@pytest.mark.parametrize("ending", ["", "raise OSError(28, 'full', 'disk')"])
def test_what_the_library_says_is_shown_where_notes_of_others_are_not(ending):
    """Both go to descriptor 2, so only a process of its own can tell."""
    script = (
        "import logging, os\n"
        "from bert_keras.cli.console import errors, notes_shown, without_notes\n"
        "with notes_shown(), without_notes():\n"
        "    os.write(2, b'a note of C++\\n')\n"
        "    logging.getLogger('bert_keras').warning('a warning of ours: %s', 'é')\n"
        f"    {ending or 'pass'}\n"
        "errors.print('afterwards')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8")
    assert "a warning of ours: é" in done.stderr
    assert "a note of C++" not in done.stderr
    assert ("afterwards" in done.stderr) == (not ending)
