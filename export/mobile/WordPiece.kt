import java.text.Normalizer

/** What a model reads: one number a token, all of one length. */
class Encoding(val inputIds: IntArray, val attentionMask: IntArray, val tokenTypeIds: IntArray)

/**
 * BERT's tokenizer: text to the ids of word pieces.
 *
 * [vocabulary] holds the lines of vocab.txt; the three switches stand in tokenizer_config.json of
 * the model's directory as do_lower_case, strip_accents (null there: as do_lower_case) and
 * tokenize_chinese_chars.
 */
class WordPiece(
    vocabulary: List<String>,
    private val lowerCase: Boolean = true,
    private val stripAccents: Boolean = lowerCase,
    private val splitChinese: Boolean = true,
) {
    private val ids = vocabulary.withIndex().associate { (id, piece) -> piece to id }
    private val longest = vocabulary.maxOf { it.length }
    private val unknown = ids.getValue("[UNK]")

    /** [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]: cut and padded to [length] tokens. */
    fun encode(text: String, pair: String? = null, length: Int = 128): Encoding {
        val parts = listOfNotNull(text, pair).map(::pieces)
        val kept = keptLengths(parts.map { it.size }, length - 1 - parts.size)
        val inputIds = mutableListOf(ids.getValue("[CLS]"))
        val types = mutableListOf(0)
        for ((number, part) in parts.withIndex()) {
            inputIds += part.take(kept[number])
            inputIds += ids.getValue("[SEP]")
            while (types.size < inputIds.size) types += number
        }
        val padding = ids.getValue("[PAD]")
        return Encoding(
            IntArray(length) { inputIds.getOrElse(it) { padding } },
            IntArray(length) { if (it < inputIds.size) 1 else 0 },
            IntArray(length) { types.getOrElse(it) { 0 } },
        )
    }

    /** The ids of a text, without [CLS] and [SEP]. Special tokens in it stay whole. */
    fun pieces(text: String): List<Int> {
        val result = mutableListOf<Int>()
        var start = 0
        for (special in SPECIAL.findAll(text)) {
            words(text.substring(start, special.range.first)).forEach { addWord(it, result) }
            result += ids.getValue(special.value)
            start = special.range.last + 1
        }
        words(text.substring(start)).forEach { addWord(it, result) }
        return result
    }

    private fun words(text: String): List<String> {
        val words = mutableListOf<String>()
        val word = StringBuilder()
        fun end() {
            if (word.isNotEmpty()) words += word.toString()
            word.clear()
        }
        for (code in codePoints(normalized(text))) {
            when {
                isSpace(code) -> end()
                isPunctuation(code) -> { end(); words += String(Character.toChars(code)) }
                else -> word.appendCodePoint(code)
            }
        }
        end()
        return words
    }

    private fun normalized(text: String): String {
        val clean = StringBuilder()
        for (code in codePoints(text)) {
            when {
                isDeleted(code) -> {}
                isSpace(code) -> clean.append(' ')
                splitChinese && isChinese(code) -> clean.append(' ').appendCodePoint(code).append(' ')
                else -> clean.appendCodePoint(code)
            }
        }
        if (!lowerCase && !stripAccents) return clean.toString()
        val letters =
            if (stripAccents) Normalizer.normalize(clean, Normalizer.Form.NFD) else clean.toString()
        val result = StringBuilder()
        for (code in codePoints(letters)) {
            if (stripAccents && category(code) == Character.NON_SPACING_MARK) continue
            // Each letter by itself: String.lowercase() knows of a final sigma, BERT does not.
            result.appendCodePoint(if (lowerCase) Character.toLowerCase(code) else code)
            if (lowerCase && code == 0x130) result.append('\u0307')
        }
        return result.toString()
    }

    /** Greedy: at every place the longest piece; a word that cannot be made of pieces is unknown. */
    private fun addWord(word: String, result: MutableList<Int>) {
        val found = mutableListOf<Int>()
        var start = if (word.codePointCount(0, word.length) > MOST_CHARACTERS) -1 else 0
        while (start in word.indices) {
            val prefix = if (start > 0) "##" else ""
            val end = (minOf(word.length, start + longest) downTo start + 1)
                .firstOrNull { prefix + word.substring(start, it) in ids }
            if (end != null) found += ids.getValue(prefix + word.substring(start, end))
            start = end ?: -1
        }
        if (start < 0) result += unknown else result += found
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
            LATER.any { code in it } -> Character.OTHER_LETTER
            else -> Character.getType(code).toByte()
        }

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
