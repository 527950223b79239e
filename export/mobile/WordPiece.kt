import java.text.Normalizer

/**
 * What a model reads: one number a token, all of one length.
 *
 * [starts] and [ends] say where each token stands in its own text, the first or the second: a
 * half-open range for `substring`, in UTF-16 units; both are 0 for added tokens. [leftOut] is the
 * number of tokens that were cut off.
 */
class Encoding(
    val inputIds: IntArray,
    val attentionMask: IntArray,
    val tokenTypeIds: IntArray,
    val starts: IntArray,
    val ends: IntArray,
    val leftOut: Int,
)

/** A word piece and its place in the text, as in [Encoding]. */
class Piece(val id: Int, val start: Int, val end: Int)

/** The part of a long text that is read: its beginning, its end, or a quarter and the end. */
enum class Truncation { HEAD, TAIL, HEAD_TAIL }

/**
 * BERT's tokenizer: text to the ids of word pieces.
 *
 * [vocabulary] holds the lines of vocab.txt; the three switches stand in tokenizer_config.json of
 * the model's directory as do_lower_case, strip_accents (null there: as do_lower_case) and
 * tokenize_chinese_chars.
 */
class WordPiece(
    val vocabulary: List<String>,
    private val lowerCase: Boolean = true,
    private val stripAccents: Boolean = lowerCase,
    private val splitChinese: Boolean = true,
) {
    private val ids = vocabulary.withIndex().associate { (id, piece) -> piece to id }
    private val longest = vocabulary.maxOf { it.length }
    private val padding = special("[PAD]")
    private val unknown = special("[UNK]")
    private val first = special("[CLS]")
    private val separator = special("[SEP]")

    /** The id of [MASK]. */
    val mask = special("[MASK]")

    private class Letter(val code: Int, val start: Int, val end: Int)

    /**
     * [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], padded to [length] tokens if [pads].
     *
     * The longer text is cut until both fit; [truncation] is the model's (`config.json` has it).
     */
    fun encode(
        text: String,
        pair: String? = null,
        length: Int = 128,
        pads: Boolean = true,
        truncation: Truncation = Truncation.HEAD,
    ): Encoding = joined(listOfNotNull(text, pair).map(::pieces), length, pads, truncation)

    /** [CLS] question [SEP] context [SEP]; of a question the first [longest] tokens are read. */
    fun encodeQuestion(
        question: String,
        context: String,
        length: Int = 384,
        pads: Boolean = true,
        longest: Int = 64,
    ): Encoding {
        val all = pieces(question)
        val asked = all.take(maxOf(0, minOf(longest, (length - 3) / 2)))
        val cut = all.size - asked.size
        return joined(listOf(asked, pieces(context)), length, pads, Truncation.HEAD, cut)
    }

    /** The windows of a long text, each a quarter into the one before; at most [most]. */
    fun windows(text: String, length: Int, pads: Boolean = true, most: Int = 16): List<Encoding> {
        val all = pieces(text)
        val room = length - 2
        require(room > 0) { "length must be at least 3. Received: $length" }
        val step = maxOf(1, room - room / 4)
        val count = 1 + maxOf(0, (all.size - room + step - 1) / step)
        return List(minOf(count, most)) {
            val window = all.subList(it * step, minOf(it * step + room, all.size))
            joined(listOf(window), length, pads, Truncation.HEAD)
        }
    }

    /** The pieces of a text, without [CLS] and [SEP]. Special tokens in it stay whole. */
    fun pieces(text: String): List<Piece> {
        val result = mutableListOf<Piece>()
        var start = 0
        for (found in SPECIAL.findAll(text)) {
            val end = found.range.last + 1
            words(text, start, found.range.first).forEach { addWord(it, result) }
            result += Piece(ids.getValue(found.value), found.range.first, end)
            start = end
        }
        words(text, start, text.length).forEach { addWord(it, result) }
        return result
    }

    private fun special(token: String) = requireNotNull(ids[token]) {
        "the vocabulary has no $token; it must be the lines of the model's vocab.txt"
    }

    private fun joined(
        parts: List<List<Piece>>, length: Int, pads: Boolean, truncation: Truncation, cut: Int = 0,
    ): Encoding {
        val room = length - 1 - parts.size
        require(room >= 0) { "length must be at least ${1 + parts.size}. Received: $length" }
        val kept = keptLengths(parts.map { it.size }, room)
        val all = mutableListOf(Piece(first, 0, 0))
        val types = mutableListOf(0)
        for ((number, part) in parts.withIndex()) {
            val head = headOf(kept[number], truncation)
            all += if (kept[number] == part.size) part
                else part.take(head) + part.takeLast(kept[number] - head)
            all += Piece(separator, 0, 0)
            while (types.size < all.size) types += number
        }
        val size = if (pads) length else all.size
        return Encoding(
            IntArray(size) { if (it < all.size) all[it].id else padding },
            IntArray(size) { if (it < all.size) 1 else 0 },
            IntArray(size) { types.getOrElse(it) { 0 } },
            IntArray(size) { if (it < all.size) all[it].start else 0 },
            IntArray(size) { if (it < all.size) all[it].end else 0 },
            cut + parts.sumOf { it.size } - kept.sum(),
        )
    }

    private fun words(text: String, from: Int, to: Int): List<List<Letter>> {
        val words = mutableListOf<List<Letter>>()
        var word = mutableListOf<Letter>()
        fun end() {
            if (word.isNotEmpty()) words += word
            word = mutableListOf()
        }
        for (letter in normalized(text, from, to)) {
            when {
                isSpace(letter.code) -> end()
                isPunctuation(letter.code) -> { end(); words += listOf(letter) }
                else -> word += letter
            }
        }
        end()
        return words
    }

    private fun normalized(text: String, from: Int, to: Int): List<Letter> {
        val clean = mutableListOf<Letter>()
        var place = from
        while (place < to) {
            val code = text.codePointAt(place)
            val start = place
            place += Character.charCount(code)
            fun add(vararg codes: Int) = codes.forEach { clean += Letter(it, start, place) }
            when {
                isDeleted(code) -> {}
                isSpace(code) -> add(SPACE)
                splitChinese && isChinese(code) -> add(SPACE, code, SPACE)
                else -> add(code)
            }
        }
        val letters = if (stripAccents) decomposed(clean) else clean
        val result = mutableListOf<Letter>()
        for (letter in letters) {
            val (code, start, end) = Triple(letter.code, letter.start, letter.end)
            if (stripAccents && category(code) == Character.NON_SPACING_MARK) continue
            // Each letter by itself: String.lowercase() knows of a final sigma, BERT does not.
            result += Letter(if (lowerCase) Character.toLowerCase(code) else code, start, end)
            if (lowerCase && code == 0x130) result += Letter(0x307, start, end)
        }
        return result
    }

    /** Letters and marks apart. Where marks change places, the places in the text stay in order. */
    private fun decomposed(letters: List<Letter>): List<Letter> {
        val text = StringBuilder()
        val sources = mutableListOf<Letter>()
        for (letter in letters) {
            text.appendCodePoint(letter.code)
            repeat(codePoints(nfd(String(Character.toChars(letter.code)))).size) { sources += letter }
        }
        return codePoints(nfd(text.toString())).mapIndexed { number, code ->
            Letter(code, sources[number].start, sources[number].end)
        }
    }

    /** Greedy: at every place the longest piece; a word that cannot be made of pieces is unknown. */
    private fun addWord(word: List<Letter>, result: MutableList<Piece>) {
        val text = StringBuilder()
        val places = word.map { letter -> text.length.also { text.appendCodePoint(letter.code) } }
        fun id(start: Int, end: Int): Int? {
            val piece = text.substring(places[start], places.getOrElse(end) { text.length })
            return ids[if (start > 0) "##$piece" else piece]
        }
        val found = mutableListOf<Piece>()
        var start = if (word.size > MOST_CHARACTERS) -1 else 0
        while (start in word.indices) {
            val end = (minOf(word.size, start + longest) downTo start + 1)
                .firstOrNull { id(start, it) != null }
            if (end != null) found += Piece(id(start, end)!!, word[start].start, word[end - 1].end)
            start = end ?: -1
        }
        if (start < 0) result += Piece(unknown, word.first().start, word.last().end)
        else result += found
    }

    private fun headOf(kept: Int, truncation: Truncation) = when (truncation) {
        Truncation.HEAD -> kept
        Truncation.TAIL -> 0
        Truncation.HEAD_TAIL -> (kept + 2) / 4
    }

    private fun keptLengths(lengths: List<Int>, room: Int): List<Int> {
        if (lengths.sum() <= room) return lengths
        if (lengths.size == 1) return listOf(room)
        val (first, second) = lengths
        val short = minOf(first, second, room / 2)
        return if (first <= second) listOf(short, room - short) else listOf(room - short, short)
    }

    private companion object {
        const val MOST_CHARACTERS = 100
        const val SPACE = ' '.code
        val SPECIAL = Regex("\\[(?:PAD|UNK|CLS|SEP|MASK)]")
        val CHINESE = listOf(
            0x4E00..0x9FFF, 0x3400..0x4DBF, 0x20000..0x2A6DF, 0x2A700..0x2B73F,
            0x2B740..0x2B81F, 0x2B920..0x2CEAF, 0xF900..0xFAFF, 0x2F800..0x2FA1F,
        )

        // Marks, punctuation and format characters that came after Unicode 8, up to 18.
        val LATER = listOf(
            0x5C8..0x5C9, 0x61D..0x61D, 0x7FD..0x7FD, 0x890..0x8E2, 0x9FD..0x9FE, 0xA76..0xA76,
            0xAFA..0xAFF, 0xB53..0xB55, 0xC04..0xC3C, 0xC77..0xC77, 0xC84..0xC84, 0xD00..0xD00,
            0xD3B..0xD3C, 0xD81..0xD81, 0xEBA..0xEBA, 0xECE..0xECE, 0x180F..0x1886, 0x1ABF..0x1AF0,
            0x1B4E..0x1B4F, 0x1B7D..0x1B7F, 0x1DF6..0x1DFB, 0x2E43..0x2E63, 0xA82C..0xA82C,
            0xA8C5..0xA8C5, 0xA8FF..0xA8FF, 0xA9BD..0xA9BD, 0x10D24..0x10F89, 0x11070..0x11074,
            0x110C2..0x110CD, 0x111CF..0x111CF, 0x1123E..0x11241, 0x1133B..0x1133B,
            0x113BB..0x1145E, 0x11660..0x1166C, 0x116B9..0x116B9, 0x1182F..0x11FFF,
            0x12FF1..0x1612F, 0x16D6D..0x16F4F, 0x16FE2..0x16FE4, 0x1CF00..0x1D128,
            0x1D25B..0x1D25C, 0x1E000..0x1E6F5, 0x1E944..0x1E95F,
        )

        /** By the host's tables, which are those of Unicode 8: what came later is a letter. */
        fun category(code: Int): Byte = when {
            code == 0x166D || code == 0x111C9 -> Character.OTHER_PUNCTUATION
            code == 0x1734 -> Character.NON_SPACING_MARK // until Unicode 14
            LATER.any { code in it } -> Character.OTHER_LETTER
            else -> Character.getType(code).toByte()
        }

        fun nfd(text: String): String = Normalizer.normalize(text, Normalizer.Form.NFD)

        fun codePoints(text: String): List<Int> {
            val codes = mutableListOf<Int>()
            var index = 0
            while (index < text.length) {
                codes += text.codePointAt(index)
                index += Character.charCount(codes.last())
            }
            return codes
        }

        fun isSpace(code: Int) = code == '\t'.code || code == '\n'.code || code == '\r'.code ||
            Character.isSpaceChar(code)

        fun isDeleted(code: Int) = code == 0xFFFD || !isSpace(code) &&
            category(code) in
            listOf(Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE, Character.SURROGATE)

        fun isChinese(code: Int) = CHINESE.any { code in it }

        fun isPunctuation(code: Int) =
            code in 33..47 || code in 58..64 || code in 91..96 || code in 123..126 ||
                category(code) in listOf(
                    Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION, Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION, Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION,
                )
    }
}
