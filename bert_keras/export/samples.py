"""Texts to compare and to warm up with, written for this package."""

from collections.abc import Iterator, Sequence
from itertools import cycle

from bert_keras.tokenization import Tokenizer, added_texts

SENTENCES = (
    "The ferry to the island was late again, so we ate our sandwiches on the pier.",
    'Dr. Ångström didn\'t reply: "Ask me on 3 May, at 4.30 p.m. — not before!"',
    "Ihr Zug nach Köln fährt heute von Gleis 7; die Straße am Bahnhof ist gesperrt.",
    "L'été dernier, nous avons vu des étoiles filantes au-dessus du fjord.",
    "这家酒店离火车站很近，房间干净，早餐也不错（就是Wi-Fi有点慢）。",
    "明日は雨が降るそうですから、傘を忘れないでください。",
    "Вчера в музее открылась новая выставка старых карт.",
    "Ο ΟΔΟΣ είναι κλειστός, αλλά το λεωφορείο περνά από εδώ.",
    "وصل القطار إلى المحطة قبل موعده بخمس دقائق.",
    "कल सुबह हम नदी के किनारे टहलने गए थे।",
    "So good!!! 😀👍🏽 #nofilter @museum https://example.org/a?b=c&d=100%",
    "x = {k: v ** 2 for k, v in d.items() if v >= -1.5e-3}",
    "café ﬁne Ⅷ ½ ℃ ＡＢＣ　１２３ ｶﾀｶﾅ naïve",
    "No.",
    "",
)
_PROSE = """
The harbour wakes before the town does. By five the first boats are out, their lamps small and
yellow on the water, and the gulls follow them as if they had been promised something.

Mrs. Aldous has kept the bakery on Mill Lane for thirty-one years. She says the secret of good
bread is patience, cold water and an oven that is a little too hot for comfort.

In 1874 the river rose nearly four metres in a single night. A line cut into the church wall shows
how far it came; children still stand against it to see how much they have grown.

"You can't miss it," the driver told us, "it's the only blue house on the hill." We missed it
twice, and found it in the end only because somebody inside was playing the piano.

The new library opens on Monday at half past nine. It has room for 60,000 books, two quiet halls,
a workshop for children and, to the surprise of many, a beehive on the roof.

Snow fell on the pass for three days without a break. On the fourth morning the sky was clear, and
the whole valley lay so still that we could hear a dog bark on the far side.

The tide waits for nobody.

It was too late to turn back.

Please close the gate behind you.

The soup was cold, and so was the welcome.

All seats were taken by seven o'clock.

Who left the light on?

The committee met again last week to discuss the bridge. It agreed that something must be done,
that it would be expensive, and that the next committee should decide what.

He repaired clocks in a shop no wider than a corridor. Every one of them told a slightly different
time, which he explained by saying that he preferred a conversation to a choir.

Tomatoes need warmth, light and steady watering. If the leaves curl in the afternoon but recover
by evening there is no cause for alarm; if they do not, look at the roots.

The orchestra had lost its conductor, its sponsor and most of its heating. What it still had was
an audience, which arrived in coats and gloves and stayed until the last note.

Our train left from platform 12 instead of platform 3, eleven minutes late, and without the dining
car. Nobody complained, since the old man by the window had brought enough cheese for everyone.

A lighthouse keeper's log records the weather, the passing ships and very little else. Yet between
two entries of that winter there is a pressed flower, and nobody knows who put it there.

The survey asked 2,400 people how they travel to work. Just over a third walk or cycle, a quarter
take the bus, and four of them answered that they row.

She learned to swim at sixty-eight, in the lake behind her house. Her grandchildren held the towel
and counted the strokes aloud, and by September she could cross to the island.

The recipe calls for two onions, a pinch of salt and an hour of your time. Stir slowly, taste
often, and do not answer the telephone while the butter is on the fire.

Behind the museum there is a courtyard that few visitors find. A fig tree grows in the middle of
it, older than the building, and in August the ground is sweet with fallen fruit.

The team played better than the result suggests. It lost 3:2 after leading for an hour, hit the
post twice, and saw its goalkeeper carried off with a twisted ankle.

Wool from the upper farms is coarser than wool from the plain. It takes the dye unevenly, which is
why the old blankets have a shimmer that no factory has managed to copy.

My grandfather numbered every tool in his shed and wrote the numbers in a ledger. When he lent one
he noted the name, the date and the weather, in case of an argument later.

The storm took down the line between the two villages at about ten o'clock. An engineer reached
the broken mast on skis, and by noon the telephones were working again.

We ate on the pier.

The second attempt went better than the first.

No reply came that day, nor on the next.

Bring a coat; the evenings are cool.

She laughed, and the matter was settled.

The road ends here.

They sold the house in the spring of 1998.

There were more swallows this spring than in any year since the count began. The warden thinks
that the wet autumn helped, though she admits she has thought so before and been wrong.

A good map leaves out nearly everything. What remains has been chosen by somebody who walked the
ground, got lost in it, and decided that the next person should not.

The theatre burned down in the night after its best performance. The actors gave the play again in
a barn the following week, with two chairs, one lantern and every seat sold.

Nobody remembers who planted the chestnut trees along the canal. They are listed in no document,
they appear in no early photograph, and yet they stand at exactly equal distances.

The clinic moved into the former post office at the beginning of May. Its waiting room still has
the brass counters, and patients are called from the window marked "Parcels".

He wrote three letters a day for most of his life and kept a copy of each. The archive fills
nineteen boxes; so far the students have read as far as his second marriage.

Rain is expected in the west from late afternoon, moving slowly towards the coast. Temperatures
will fall to about six degrees, with a light frost possible in sheltered valleys.

The potter threw away the bowl because it was perfect. "It has nothing to say," she explained, and
reached for another lump of the grey clay from the river bank.

After the war the factory made bicycles, then prams, then nothing at all. Today a circus school
rehearses under its glass roof, where the swallows' nests are counted as lodgers.

The law of 1911 required every well to be covered and every cover to be inspected. Inspectors were
never appointed, so the covers were inspected by cats, who sleep on them still.

We measured the same field four times and got four different answers. The third was nearest to the
truth, as it turned out, and the only one that had been taken in the rain.

The market begins on the square and spills over into the side streets by eight. Fish is sold near
the fountain, cloth under the arches, and advice at every corner for nothing.

Two owls have moved into the tower, and the bells have been silent since. The council voted seven
to six for the owls; the six have asked for a recount.

Her first telescope was a cardboard tube with the lenses of two old pairs of glasses. It showed
the moon upside down, which she did not mind, having nothing to compare it with.

The mountain hut has twelve beds, one stove and a book in which guests may complain. Most of them
write about the view, and one page is entirely about the soup.

Salt was once carried over this path on the backs of mules, forty kilos to an animal. The stones
are worn into steps where they walked, always in the same places, for three hundred years.

The interpreter sat between the two delegations and spoke for both. When they began to shout she
lowered her voice, and little by little they had to lower theirs to hear her.

An apple left on the windowsill will ripen a whole bowl of hard pears. The reason is a gas that it
gives off, and the remedy, for those who like hard pears, is to eat the apple.

The ship's cook had been a watchmaker, and it showed. Meals appeared at the minute, portions were
equal to the gram, and the eggs were boiled by a chronometer.

At the end of the street the town simply stops, and the fields begin. There is no sign and no
fence, only a bench on which, in good weather, somebody is always sitting.

A little rain never hurt the roses.

His answer was short and to the point.

Nothing was missing but the clock.

Turn left at the old mill.

The children had seen it first, of course.

It costs less than you would think.

Not every door has a key.
"""

PROSE = tuple(" ".join(paragraph.split()) for paragraph in _PROSE.strip().split("\n\n"))
_PARAGRAPHS = 12  # of prose that are compared, besides the sentences
_ADDED_TOKENS = 8  # of those, how many are in a text


def comparison_texts(tokenizer: Tokenizer, tokens: int) -> list[str]:
    """Texts to compare: sentences, prose, added tokens, one text of about ``tokens`` tokens."""
    paragraphs = PROSE[:_PARAGRAPHS]
    added = added_texts(tokenizer, _ADDED_TOKENS)
    return [*SENTENCES, *paragraphs, *added, _of_length(paragraphs, tokenizer, tokens)]


def texts_of_length(tokenizer: Tokenizer, count: int, tokens: int) -> list[str]:
    """Different texts of ``tokens`` tokens, special ones included."""
    return [
        _of_length([*SENTENCES[number % 4 :], *SENTENCES[: number % 4]], tokenizer, tokens)
        for number in range(count)
    ]


def _of_length(texts: Sequence[str], tokenizer: Tokenizer, tokens: int) -> str:
    """The texts joined, again and again, and cut after ``tokens`` tokens."""
    parts: list[str] = []
    repeated: Iterator[str] = cycle([text for text in texts if text])
    while len(offsets := tokenizer.encode(" ".join(parts)).offsets) < tokens:
        parts.append(next(repeated))
    last = tokens - len(tokenizer.template.suffix) - 1
    return " ".join(parts)[: max(offsets[last][1], 1)]
