// On this device WordPiece.kt gives the host's ids, and LiteRT the host's outputs, for every file
// that `make android-cases` wrote.
import androidx.test.ext.junit.runners.AndroidJUnit4
import androidx.test.platform.app.InstrumentationRegistry
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import kotlin.math.abs
import org.json.JSONArray
import org.json.JSONObject
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.tensorflow.lite.Interpreter

@RunWith(AndroidJUnit4::class)
class HostAnswersTest {
    private val assets = InstrumentationRegistry.getInstrumentation().context.assets

    @Test
    fun everyFileAnswersAsOnTheHost() {
        val kinds = JSONArray(text("cases/kinds.json"))
        repeat(kinds.length()) { answersAsOnTheHost(kinds.getString(it)) }
    }

    private fun answersAsOnTheHost(kind: String) {
        val tokenizer = WordPiece(text("cases/$kind/vocab.txt").removeSuffix("\n").split("\n"))
        val interpreter = Interpreter(bytes("cases/$kind/model.tflite"), Interpreter.Options())
        val cases = JSONArray(text("cases/$kind/cases.json"))
        for (number in 0 until cases.length()) {
            val case = cases.getJSONObject(number)
            val where = "$kind, case $number"
            val length = case.getInt("length")
            val pair = if (case.isNull("pair")) null else case.getString("pair")
            val encoded = tokenizer.encode(case.getString("text"), pair, length)
            val inputs = mapOf(
                "input_ids" to encoded.inputIds,
                "attention_mask" to encoded.attentionMask,
                "token_type_ids" to encoded.tokenTypeIds,
            )
            for ((name, ids) in inputs) assertArrayEquals("$where, $name", integers(case, name), ids)
            val expected = case.getJSONObject("outputs")
            val outputs = expected.keys().asSequence().associateWith { name ->
                floats(expected.getJSONArray(name).length())
            }
            interpreter.runSignature(inputs.mapValues { arrayOf(it.value) }, outputs, "tokens")
            for ((name, values) in outputs) {
                val right = expected.getJSONArray(name)
                for (place in 0 until right.length()) {
                    val value = right.getDouble(place)
                    val given = values.get(place).toDouble()
                    assertEquals("$where, $name[$place]", value, given, 1e-3 * maxOf(1.0, abs(value)))
                }
            }
        }
    }

    private fun text(name: String) = assets.open(name).use { it.readBytes() }.toString(Charsets.UTF_8)

    private fun bytes(name: String): ByteBuffer {
        val all = assets.open(name).use { it.readBytes() }
        return ByteBuffer.allocateDirect(all.size).order(ByteOrder.nativeOrder()).apply {
            put(all)
            rewind()
        }
    }

    private fun floats(count: Int): FloatBuffer =
        ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer()

    private fun integers(case: JSONObject, name: String): IntArray =
        case.getJSONArray(name).let { all -> IntArray(all.length()) { all.getInt(it) } }
}
