// What the outputs of a file come to. Ranges are half-open, for `substring`: UTF-16 units.
import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.sqrt

/** A range of a text with its label and its probability: a word or an entity. */
class Labeled(val label: String, val start: Int, val end: Int, val score: Double)

/** An answer's range in the context, and the sum of its two logits. */
class Answer(val start: Int, val end: Int, val score: Double)

/** The number of the highest value. */
fun highest(values: FloatArray): Int = values.indices.maxByOrNull { values[it] }!!

/** The labels of a multi-label model, each from its line of thresholds.txt on, without it 0.5. */
fun given(
    probabilities: FloatArray, labels: List<String>, thresholds: List<Float> = emptyList(),
): List<String> = labels.filterIndexed { number, _ ->
    probabilities[number] >= (thresholds.getOrNull(number) ?: 0.5f)
}

/** The likeness of two embeddings, from -1 to 1. */
fun cosine(first: FloatArray, second: FloatArray): Double {
    fun product(a: FloatArray, b: FloatArray) = a.indices.sumOf { a[it].toDouble() * b[it] }
    return product(first, second) / sqrt(product(first, first) * product(second, second))
}

/** The [top] likeliest word pieces at the [MASK], and their probabilities. */
fun fill(logits: FloatArray, vocabulary: List<String>, top: Int = 5): List<Pair<String, Double>> {
    // A model may have rows for more word pieces than its vocabulary names.
    val shares = softmax(DoubleArray(vocabulary.size) { logits[it].toDouble() })
    return shares.indices.sortedByDescending { shares[it] }.take(top)
        .map { vocabulary[it] to shares[it] }
}

/** The probabilities of a text from those of its windows; [single] where only one label holds. */
fun ofWindows(windows: List<FloatArray>, single: Boolean = true): FloatArray {
    val logits = DoubleArray(windows[0].size) { label ->
        windows.map {
            val share = it[label].toDouble().coerceIn(1e-30, 1.0)
            ln(share) - if (single) 0.0 else ln((1.0 - share).coerceAtLeast(1e-12))
        }.average()
    }
    val shares = if (single) softmax(logits) else logits.map { 1 / (1 + exp(-it)) }.toDoubleArray()
    return FloatArray(shares.size) { shares[it].toFloat() }
}

private fun softmax(logits: DoubleArray): DoubleArray {
    val top = logits.maxOrNull()!!
    val powers = logits.map { exp(it - top) }
    return powers.map { it / powers.sum() }.toDoubleArray()
}

/**
 * The best answer to a question, encoded by `encodeQuestion`; null where the context has none.
 *
 * [longest] is the most tokens of an answer. There is none when [CLS] has more than [threshold]
 * above the best: `no_answer_threshold` of config.json; every question has one where it is infinite.
 */
fun answer(
    startLogits: FloatArray,
    endLogits: FloatArray,
    encoded: Encoding,
    longest: Int = 30,
    threshold: Float = Float.POSITIVE_INFINITY,
): Answer? {
    val last = encoded.attentionMask.sum() - 1 // the [SEP] behind the context
    val context = (0 until last).filter { encoded.tokenTypeIds[it] == 1 }.toSet()
    fun likely(logits: FloatArray) = logits.indices.sortedByDescending { logits[it] }.take(20)
    var best: Answer? = null
    for (start in likely(startLogits)) for (end in likely(endLogits)) {
        if (start !in context || end !in context || end < start || end - start >= longest) continue
        val score = startLogits[start].toDouble() + endLogits[end]
        if (best == null || score > best.score)
            best = Answer(encoded.starts[start], encoded.ends[end], score)
    }
    val none = startLogits[0].toDouble() + endLogits[0]
    return if (none - (best?.score ?: 0.0) > threshold) null else best
}

/** The label of each word of a text that was read: that of its first piece. */
fun wordLabels(
    text: String, encoded: Encoding, probabilities: Array<FloatArray>, labels: List<String>,
): List<Labeled> {
    val last = encoded.attentionMask.sum() - 1
    return splitWords(text).mapNotNull { word ->
        val piece = (1 until last).firstOrNull { encoded.starts[it] in word } ?: return@mapNotNull null
        val label = highest(probabilities[piece])
        Labeled(
            labels[label], word.first, word.last + 1, probabilities[piece][label].toDouble(),
        )
    }
}

/** The entities that the labels of words mark, whatever their scheme (IOB, BIOES, BILOU, …). */
fun entities(words: List<Labeled>, labels: List<String>): List<Labeled> {
    val withLetter = Regex("[BIESMLU](-.+)?")
    val inner = labels.filter { it != "O" }
    val hasLetters = inner.any { it.length > 1 && withLetter.matches(it) } ||
        "B" in inner && inner.all(withLetter::matches)
    fun letter(label: String) = when {
        label == "O" || hasLetters && !withLetter.matches(label) -> 'O'
        hasLetters -> mapOf('M' to 'I', 'L' to 'E', 'U' to 'S')[label[0]] ?: label[0]
        else -> 'I'
    }
    fun type(label: String) = if (hasLetters) label.drop(2).ifEmpty { "_" } else label
    val result = mutableListOf<Labeled>()
    var open = mutableListOf<Labeled>()
    fun end() {
        if (open.isNotEmpty()) result += Labeled(
            type(open[0].label), open[0].start, open.last().end, open.map { it.score }.average(),
        )
        open = mutableListOf()
    }
    for (word in words) {
        val now = letter(word.label)
        val before = open.lastOrNull()
        val goesOn = before != null && now in "IE" && letter(before.label) in "BI" &&
            type(before.label) == type(word.label)
        if (!goesOn) end()
        if (now != 'O') open += word
    }
    end()
    return result
}

/** The words of a text as the model was taught them: between spaces, marks and a 's apart. */
fun splitWords(text: String): List<IntRange> {
    val words = mutableListOf<IntRange>()
    var start = -1
    fun end(place: Int) {
        if (start >= 0) words += wordsOf(text, start, place)
        start = -1
    }
    var place = 0
    while (place < text.length) {
        val code = text.codePointAt(place)
        val next = place + Character.charCount(code)
        val isAlone = code in 0x3400..0x4DBF || code in 0x4E00..0x9FFF || code in 0xF900..0xFAFF
        val isSpace = code == 0x85 || code.toChar().isWhitespace() && code < 0x10000
        if (isAlone || isSpace) end(place) else if (start < 0) start = place
        if (isAlone) words += place until next
        place = next
    }
    end(text.length)
    return words
}

private fun wordsOf(text: String, start: Int, end: Int): List<IntRange> {
    var first = start
    var last = end
    while (first < last && isMark(text.codePointAt(first)))
        first += Character.charCount(text.codePointAt(first))
    while (last > first && isMark(text.codePointBefore(last)))
        last -= Character.charCount(text.codePointBefore(last))
    if (first < last) {
        if (first > start && text[first - 1] in "@#") first--
        if (last < end && INITIALS.matches(text.substring(first, last + 1))) last++
    }
    val suffix = POSSESSIVE.find(text.substring(first, last))?.range?.first ?: 0
    val parts = if (suffix > 0) listOf(first until first + suffix, first + suffix until last)
        else listOf(first until last)
    return same(text, start, first) + parts.filter { !it.isEmpty() } + same(text, last, end)
}

/** Marks in a row, the same one repeated as one word. */
private fun same(text: String, start: Int, end: Int): List<IntRange> =
    SAME.findAll(text.substring(start, end)).map { it.range.first + start..it.range.last + start }
        .toList()

private val SAME = Regex("(.)\\1*")
private val INITIALS = Regex("(?:[\\p{L}\\p{N}_]\\.)+")
private val POSSESSIVE = Regex("['\u2019][sS\u017F]$")

private fun isMark(code: Int): Boolean =
    if (code < 128) !code.toChar().isLetterOrDigit()
    else Character.getType(code).toByte() in listOf(
        Character.CONNECTOR_PUNCTUATION, Character.DASH_PUNCTUATION, Character.START_PUNCTUATION,
        Character.END_PUNCTUATION, Character.INITIAL_QUOTE_PUNCTUATION,
        Character.FINAL_QUOTE_PUNCTUATION, Character.OTHER_PUNCTUATION,
    )
