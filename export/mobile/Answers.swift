// What the outputs of a file come to.
import Foundation

/// A range of a text with its label and its probability: a word or an entity.
struct Labeled {
    let label: String
    let range: Range<String.Index>
    let score: Double
}

/// The number of the highest value.
func highest<Values: RandomAccessCollection>(_ values: Values) -> Int
where Values.Element == Float, Values.Index == Int {
    values.indices.max { values[$0] < values[$1] }! - values.startIndex
}

/// The labels of a multi-label model, each from its line of thresholds.txt on, without it 0.5.
func given(_ probabilities: [Float], _ labels: [String], thresholds: [Float] = []) -> [String] {
    labels.indices.filter { number in
        probabilities[number] >= (number < thresholds.count ? thresholds[number] : 0.5)
    }.map { labels[$0] }
}

/// The likeness of two embeddings, from -1 to 1.
func cosine(_ first: [Float], _ second: [Float]) -> Double {
    func product(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    return product(first, second) / (product(first, first) * product(second, second)).squareRoot()
}

/// The `top` likeliest word pieces at the [MASK], and their probabilities.
func fill(_ logits: [Float], _ vocabulary: [String], top: Int = 5) -> [(String, Double)] {
    // A model may have rows for more word pieces than its vocabulary names.
    let shares = softmax(logits.prefix(vocabulary.count).map(Double.init))
    return ordered(shares).prefix(top).map { (vocabulary[$0], shares[$0]) }
}

/// The probabilities of a text from those of its windows; `single` where only one label holds.
func ofWindows(_ windows: [[Float]], single: Bool = true) -> [Float] {
    let logits = windows[0].indices.map { label in
        windows.map { window -> Double in
            let share = min(max(Double(window[label]), 1e-30), 1)
            return log(share) - (single ? 0 : log(max(1 - share, 1e-12)))
        }.reduce(0, +) / Double(windows.count)
    }
    return (single ? softmax(logits) : logits.map { 1 / (1 + exp(-$0)) }).map { Float($0) }
}

private func softmax(_ logits: [Double]) -> [Double] {
    let top = logits.max()!
    let powers = logits.map { exp($0 - top) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}

/// The numbers of values, the highest value first; of equal ones the first.
private func ordered<Value: Comparable>(_ values: [Value]) -> [Int] {
    values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
}

/// The range of the best answer in a context, encoded by `encodeQuestion`, and the sum of its two
/// logits; nil where the context has none.
///
/// `longest` is the most tokens of an answer. There is none when [CLS] has more than `threshold`
/// above the best: `no_answer_threshold` of config.json; every question has one where it is infinite.
func answer(startLogits: [Float], endLogits: [Float], encoded: Encoding, longest: Int = 30,
            threshold: Double = .infinity) -> (range: Range<String.Index>, score: Double)? {
    let types = encoded.tokenTypeIds
    var best: (range: Range<String.Index>, score: Double)?
    for start in ordered(startLogits).prefix(20) {
        for end in ordered(endLogits).prefix(20) where end >= start && end - start < longest {
            guard types[start] == 1, types[end] == 1, let first = encoded.ranges[start],
                  let last = encoded.ranges[end] else { continue }
            let score = Double(startLogits[start]) + Double(endLogits[end])
            if best == nil || score > best!.score {
                best = (first.lowerBound..<last.upperBound, score)
            }
        }
    }
    let none = Double(startLogits[0]) + Double(endLogits[0])
    return none - (best?.score ?? 0) > threshold ? nil : best
}

/// The label of each word of a text that was read: that of its first piece.
///
/// `probabilities` are those of all tokens, one after another.
func wordLabels(_ text: String, _ encoded: Encoding, _ probabilities: [Float],
                _ labels: [String]) -> [Labeled] {
    splitWords(text).compactMap { word in
        let isFirst = { (range: Range<String.Index>?) in range.map { word.contains($0.lowerBound) } }
        guard let piece = encoded.ranges.firstIndex(where: { isFirst($0) == true }) else { return nil }
        let row = probabilities[piece * labels.count..<(piece + 1) * labels.count]
        let label = highest(row)
        return Labeled(label: labels[label], range: word,
                        score: Double(row[row.startIndex + label]))
    }
}

/// The entities that the labels of words mark, whatever their scheme (IOB, BIOES, BILOU, …).
func entities(_ words: [Labeled], _ labels: [String]) -> [Labeled] {
    func hasLetter(_ label: String) -> Bool {
        "BIESMLU".contains(label.first ?? "O") && (label.count == 1
            || label.count > 2 && label.dropFirst().first == "-")
    }
    let inner = labels.filter { $0 != "O" }
    let hasLetters = inner.contains { $0.count > 1 && hasLetter($0) }
        || inner.contains("B") && inner.allSatisfy(hasLetter)
    func letter(_ label: String) -> Character {
        if label == "O" || hasLetters && !hasLetter(label) { return "O" }
        let letters: [Character: Character] = ["M": "I", "L": "E", "U": "S"]
        return hasLetters ? letters[label.first!] ?? label.first! : "I"
    }
    func type(_ label: String) -> String {
        if !hasLetters { return label }
        return label.count > 2 ? String(label.dropFirst(2)) : "_"
    }
    var result: [Labeled] = []
    var open: [Labeled] = []
    func end() {
        if let first = open.first, let last = open.last {
            let score = open.map(\.score).reduce(0, +) / Double(open.count)
            let range = first.range.lowerBound..<last.range.upperBound
            result.append(Labeled(label: type(first.label), range: range, score: score))
        }
        open = []
    }
    for word in words {
        let now = letter(word.label)
        let goesOn = open.last.map {
            "IE".contains(now) && "BI".contains(letter($0.label)) && type($0.label) == type(word.label)
        }
        if goesOn != true { end() }
        if now != "O" { open.append(word) }
    }
    end()
    return result
}

/// The words of a text as the model was taught them: between spaces, marks and a 's apart.
func splitWords(_ text: String) -> [Range<String.Index>] {
    let scalars = text.unicodeScalars
    var words: [Range<String.Index>] = []
    var start: String.Index?
    func end(_ place: String.Index) {
        if let start { words += wordsOf(scalars, start..<place) }
        start = nil
    }
    for place in scalars.indices {
        let isAlone: Bool
        switch scalars[place].value {
        case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF: isAlone = true
        default: isAlone = false
        }
        if isAlone || scalars[place].properties.isWhitespace || (28...31) ~= scalars[place].value {
            end(place)
        } else if start == nil {
            start = place
        }
        if isAlone { words.append(place..<scalars.index(after: place)) }
    }
    end(scalars.endIndex)
    return words
}

private func wordsOf(_ scalars: String.UnicodeScalarView,
                     _ chunk: Range<String.Index>) -> [Range<String.Index>] {
    var first = chunk.lowerBound, last = chunk.upperBound
    func before(_ place: String.Index) -> String.Index { scalars.index(before: place) }
    while first < last, isMark(scalars[first]) { first = scalars.index(after: first) }
    while last > first, isMark(scalars[before(last)]) { last = before(last) }
    guard first < last else { return same(scalars, chunk) }
    if first > chunk.lowerBound, "@#".unicodeScalars.contains(scalars[before(first)]) {
        first = before(first)
    }
    if last < chunk.upperBound, areInitials(scalars[first...last]) { last = scalars.index(after: last) }
    var words = same(scalars, chunk.lowerBound..<first)
    let suffix = scalars[first..<last].suffix(2)
    if suffix.count == 2, suffix.startIndex > first, "'\u{2019}".unicodeScalars.contains(suffix.first!),
       "sS\u{17F}".unicodeScalars.contains(suffix.last!) {
        words += [first..<suffix.startIndex, suffix.startIndex..<last]
    } else {
        words.append(first..<last)
    }
    return words + same(scalars, last..<chunk.upperBound)
}

/// Tell whether it is letters, each with a full stop behind it.
private func areInitials(_ scalars: Substring.UnicodeScalarView) -> Bool {
    scalars.count % 2 == 0 && scalars.enumerated().allSatisfy { number, scalar in
        number % 2 == 1 ? scalar == "." : scalar == "_" || isLetterOrNumber(scalar)
    }
}

/// Marks in a row, the same one repeated as one word.
private func same(_ scalars: String.UnicodeScalarView,
                  _ part: Range<String.Index>) -> [Range<String.Index>] {
    var words: [Range<String.Index>] = []
    for place in scalars[part].indices {
        let next = scalars.index(after: place)
        if let last = words.last, scalars[last.lowerBound] == scalars[place] {
            words[words.count - 1] = last.lowerBound..<next
        } else {
            words.append(place..<next)
        }
    }
    return words
}

private func isLetterOrNumber(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter,
         .decimalNumber, .letterNumber, .otherNumber: return true
    default: return false
    }
}

private func isMark(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return !isLetterOrNumber(scalar) }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
         .initialPunctuation, .finalPunctuation, .otherPunctuation: return true
    default: return false
    }
}
