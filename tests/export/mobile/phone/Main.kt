// The program that the tests run: the functions of the two files, and the README's snippets.
import java.io.File
import java.nio.ByteBuffer
import org.tensorflow.lite.Test

class Assets(private val folder: String) { fun open(name: String) = File(folder, name).inputStream() }

class Context(folder: String) { val assets = Assets(folder) }

fun say(vararg fields: Any?) = Test.tell("answer", *fields.map { field ->
    "$field".toByteArray().joinToString("") { "%02x".format(it) }.ifEmpty { "-" }
}.toTypedArray())

fun show(encoded: Encoding) = say(
    listOf(encoded.inputIds, encoded.attentionMask, encoded.tokenTypeIds, encoded.starts, encoded.ends)
        .joinToString(";") { it.joinToString(" ") } + ";${encoded.leftOut}",
)

fun tokenize(folder: String, lowerCase: Boolean, stripAccents: Boolean, splitChinese: Boolean) {
    val lines = File(folder, "vocab.txt").readText().removeSuffix("\n").split("\n")
    val tokenizer = WordPiece(lines, lowerCase, stripAccents, splitChinese)
    while (true) {
        val (how, length, text, pair) = Test.next() ?: break
        val size = length.toInt()
        when (how) {
            "question" -> show(tokenizer.encodeQuestion(text, pair, size))
            "windows" -> tokenizer.windows(text, size, pads = false, most = 3).let {
                say(it.size)
                it.forEach(::show)
            }
            "single" -> show(tokenizer.encode(text, length = size))
            "open" -> show(tokenizer.encode(text, pair, size, pads = false))
            else -> show(tokenizer.encode(text, pair, size, truncation = Truncation.valueOf(how)))
        }
    }
}

fun words() {
    while (true) {
        val (text) = Test.next() ?: break
        say(splitWords(text).joinToString(" ") { "${it.first} ${it.last + 1}" })
    }
}

fun spans() {
    while (true) {
        val (tags, all) = Test.next() ?: break
        val words = tags.split(" ").mapIndexed { n, tag -> Labeled(tag, n, n + 1, 1.0) }
        say(entities(words, all.split(" ")).joinToString(" ") { "${it.label} ${it.start} ${it.end}" })
    }
}

fun main(arguments: Array<String>) = when (arguments[0]) {
    "tokenize" -> arguments.drop(2).map { it == "true" }.let { tokenize(arguments[1], it[0], it[1], it[2]) }
    "words" -> words()
    "spans" -> spans()
    else -> snippet(arguments[0], arguments[1])
}
