// LiteRT's Java interface, as far as the snippets need it, over a file that the test holds open.
// A request is a line to standard output, its answer a line from standard input.
package org.tensorflow.lite

import java.nio.ByteBuffer

object Test {
    fun tell(vararg words: Any) {
        System.out.write((words.joinToString(" ") + "\n").toByteArray())
        System.out.flush()
    }

    fun ask(vararg words: Any): String {
        tell(*words)
        return readln().also { require(!it.startsWith("error")) { it } }
    }

    fun shape(vararg words: Any) = ask(*words).split(" ").map { it.toInt() }.toIntArray()

    /** The texts of the next example; null behind the last. */
    fun next(): List<String>? = ask("next").takeIf { it != "end" }?.split(" ")?.map { text ->
        String(ByteArray(text.length / 2) { text.substring(2 * it, 2 * it + 2).toInt(16).toByte() })
    }
}

class Tensor(private val kind: String, private val name: String) {
    fun shape() = Test.shape("shape", kind, name)

    fun shapeSignature() = Test.shape("signature", kind, name)
}

class Interpreter(model: ByteBuffer, options: Options) {
    class Options {
        fun setNumThreads(threads: Int) = apply { require(threads > 0) }
    }

    init {
        Test.ask("open")
    }

    fun getInputTensorFromSignature(name: String, signature: String) =
        Tensor("inputs", name).also { Test.ask("has", signature) }

    fun getOutputTensorFromSignature(name: String, signature: String) =
        Tensor("outputs", name).also { Test.ask("has", signature) }

    /** As there: the shapes of the inputs are those of the arrays, the outputs' must be the file's. */
    fun runSignature(inputs: Map<String, Any>, outputs: Map<String, Any>, signature: String) {
        Test.ask("has", signature)
        for ((name, rows) in inputs) {
            val values = (rows as Array<*>).map { it as IntArray }
            Test.ask("set", name, "${values.size},${values[0].size}",
                values.joinToString(" ") { it.joinToString(" ") })
        }
        Test.ask("invoke")
        for ((name, rows) in outputs) {
            val (shape, numbers) = Test.ask("get", name).split("|")
            require(shape == shapeOf(rows)) { "$name is of shape $shape, not ${shapeOf(rows)}" }
            write(numbers.split(" ").map { it.toFloat() }.iterator(), rows)
        }
    }

    private fun shapeOf(rows: Any?): String =
        if (rows is FloatArray) "${rows.size}" else (rows as Array<*>).let { "${it.size},${shapeOf(it[0])}" }

    private fun write(numbers: Iterator<Float>, rows: Any?) {
        if (rows is FloatArray) rows.indices.forEach { rows[it] = numbers.next() }
        else (rows as Array<*>).forEach { write(numbers, it) }
    }
}
