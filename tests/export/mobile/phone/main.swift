// The program that the tests run: the functions of the two files, and the README's snippets.
import Foundation

func say(_ fields: String...) {
    let hex = fields.map { field in
        field.isEmpty ? "-" : field.utf8.map { String(format: "%02x", $0) }.joined()
    }
    Test.tell((["answer"] + hex).joined(separator: " "))
}

func joined<Values: Sequence>(_ values: Values) -> String {
    values.map { "\($0)" }.joined(separator: " ")
}

func place(_ index: String.Index?, _ text: String) -> Int {
    index.map { text.utf16.distance(from: text.startIndex, to: $0) } ?? 0
}

func show(_ encoded: Encoding, _ texts: [String]) {
    func places(_ bound: (Range<String.Index>) -> String.Index) -> String {
        joined(zip(encoded.ranges, encoded.tokenTypeIds).map { place($0.map(bound), texts[Int($1)]) })
    }
    say([joined(encoded.inputIds), joined(encoded.attentionMask), joined(encoded.tokenTypeIds),
         places(\.lowerBound), places(\.upperBound), "\(encoded.leftOut)"].joined(separator: ";"))
}

func tokenize(_ folder: String, _ switches: [Bool]) throws {
    let lines = try String(contentsOfFile: folder + "/vocab.txt", encoding: .utf8)
    let tokenizer = WordPiece(vocabulary: lines.split(separator: "\n").map(String.init),
                              lowerCase: switches[0], stripAccents: switches[1],
                              splitChinese: switches[2])
    let ways: [String: Truncation] = ["HEAD": .head, "TAIL": .tail, "HEAD_TAIL": .headTail]
    while let example = try Test.next() {
        let size = Int(example[1])!, text = example[2], pair = example[3]
        switch example[0] {
        case "question":
            show(tokenizer.encodeQuestion(text, context: pair, length: size), [text, pair])
        case "windows":
            let windows = tokenizer.windows(text, length: size, pads: false, most: 3)
            say("\(windows.count)")
            windows.forEach { show($0, [text]) }
        case "single":
            show(tokenizer.encode(text, length: size), [text])
        case "open":
            show(tokenizer.encode(text, pair: pair, length: size, pads: false), [text, pair])
        default:
            let way = ways[example[0]]!
            show(tokenizer.encode(text, pair: pair, length: size, truncation: way), [text, pair])
        }
    }
}

func words() throws {
    while let example = try Test.next() {
        let text = example[0]
        say(joined(splitWords(text).flatMap { [place($0.lowerBound, text), place($0.upperBound, text)] }))
    }
}

func spans() throws {
    while let example = try Test.next() {
        let tags = example[0].split(separator: " ").map(String.init)
        let text = String(repeating: "x", count: tags.count)
        let places = Array(text.indices) + [text.endIndex]
        let words = tags.enumerated().map {
            Labeled(label: $1, range: places[$0]..<places[$0 + 1], score: 1)
        }
        say(joined(entities(words, example[1].split(separator: " ").map(String.init)).map {
            "\($0.label) \(place($0.range.lowerBound, text)) \(place($0.range.upperBound, text))"
        }))
    }
}

let arguments = CommandLine.arguments
switch arguments[1] {
case "tokenize": try tokenize(arguments[2], arguments[3...].map { $0 == "true" })
case "words": try words()
case "spans": try spans()
default: try snippet(arguments[1], arguments[2])
}
