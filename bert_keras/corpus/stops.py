"""The marks that end sentences, script by script.

They are the characters of Unicode's property Sentence_Terminal (PropList.txt, version 17.0) but for
the full stops that are a part of words as well (``.`` and its forms U+2024, U+FE52 and U+FF0E), and
for two commas that the property holds: U+104A of Burmese and U+A9C8 of Javanese.
"""


def _characters(ranges: str) -> str:
    """The characters of a list of code points and ranges, in hexadecimal."""
    bounds = (item.split("-") for item in ranges.split())
    return "".join(
        chr(n) for each in bounds for n in range(int(each[0], 16), int(each[-1], 16) + 1)
    )


# With these, as with a full stop, the letter that follows decides (U+037E is the Greek one).
MARKS = ".…" + _characters("0021 003F 037E 203C-203D 2047-2049 2E2E 2E3C")

# These always end a sentence, with a space after them or without one. To BERT's tokenizer each is a
# word.
STOPS = _characters("""
    0589 061E-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104B 1362 1367-1368 166E
    1735-1736 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1C3B-1C3C 1C7E-1C7F
    2CF9-2CFB 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C9 AA5D-AA5F AAF0-AAF1 ABEB
    FE12 FE15-FE16 FE56-FE57 FF01 FF1F FF61
""")

# These do so before a space: to the tokenizer they are not punctuation, or the script is so rare
# that looking for them within words would cost every other text more than it is worth.
STOPS_BEFORE_SPACE = _characters("""
    061D 1B4E-1B4F 1B7D-1B7F 2E53-2E54 2E60-2E61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048
    110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 113D4-113D5
    1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C
    11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16D6E-16D6F 16E98 1BC9F
    1DA88
""")

# Marks of other scripts that are a question mark after a Greek letter, a full stop after an
# Armenian one.
LETTERS_BEFORE = {
    ";": frozenset(_characters("0370-0373 0376-0377 037B-037D 0386-03FF 1F00-1FFF")),
    ":": frozenset(_characters("0531-0556 0561-0587")),
}
