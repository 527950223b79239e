import logging

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
