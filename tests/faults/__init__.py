"""Faults drawn from seeds: full disks, read-only folders, damaged files, signals, lost workers.

``commands.py`` lists what is disturbed, ``faults.py`` how, ``trial.py`` says what must hold after
it, and ``zygote.py`` starts commands in milliseconds. ``make test-faults`` runs the whole campaign,
BERT_KERAS_FAULTS trials of each command and fault; ``make test`` a few of them.
"""
