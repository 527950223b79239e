import logging

from bert_keras.cli.console import show_notes


def test_what_the_library_says_of_its_input_is_shown_on_standard_error(capsys):
    show_notes()
    show_notes()  # a second command in one process adds no second handler
    logging.getLogger("bert_keras").info("the text is column %r", "review")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "the text is column 'review'\n"
