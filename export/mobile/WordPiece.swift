// Not compiled: there was no Swift where this was written. It follows WordPiece.kt, which was
// compiled, run and compared, line by line.
import Foundation

/// What a model reads: one number a token, all of one length.
struct Encoding {
    let inputIds: [Int32]
    let attentionMask: [Int32]
    let tokenTypeIds: [Int32]
}

/// BERT's tokenizer: text to the ids of word pieces.
///
/// `vocabulary` holds the lines of vocab.txt; the three switches stand in tokenizer_config.json of
/// the model's directory as do_lower_case, strip_accents (null there: as do_lower_case) and
/// tokenize_chinese_chars.
struct WordPiece {
    private let ids: [[Unicode.Scalar]: Int32]
    private let longest: Int
    private let lowerCase, stripAccents, splitChinese: Bool

    init(vocabulary: [String], lowerCase: Bool = true, stripAccents: Bool? = nil,
         splitChinese: Bool = true) {
        // By scalars: Swift's strings hold "é" and "e\u{301}" to be equal.
        let pieces = vocabulary.map { Array($0.unicodeScalars) }
        ids = Dictionary(uniqueKeysWithValues: pieces.enumerated().map { ($1, Int32($0)) })
        longest = pieces.map(\.count).max() ?? 0
        self.lowerCase = lowerCase
        self.stripAccents = stripAccents ?? lowerCase
        self.splitChinese = splitChinese
    }

    /// [CLS] text [SEP], or [CLS] text [SEP] pair [SEP]: cut and padded to `length` tokens.
    func encode(_ text: String, pair: String? = nil, length: Int = 128) -> Encoding {
        let parts = [text, pair].compactMap { $0 }.map(pieces)
        let kept = Self.keptLengths(parts.map(\.count), room: length - 1 - parts.count)
        var inputIds = [special("[CLS]")]
        var types: [Int32] = [0]
        for (number, part) in parts.enumerated() {
            inputIds += part.prefix(kept[number])
            inputIds.append(special("[SEP]"))
            types += Array(repeating: Int32(number), count: inputIds.count - types.count)
        }
        let mask = Array(repeating: Int32(1), count: inputIds.count)
        func padded(_ values: [Int32], with padding: Int32) -> [Int32] {
            values + Array(repeating: padding, count: length - values.count)
        }
        return Encoding(inputIds: padded(inputIds, with: special("[PAD]")),
                        attentionMask: padded(mask, with: 0),
                        tokenTypeIds: padded(types, with: 0))
    }

    /// The ids of a text, without [CLS] and [SEP]. Special tokens in it stay whole.
    func pieces(_ text: String) -> [Int32] {
        let scalars = Array(text.unicodeScalars)
        var result: [Int32] = []
        var start = 0, place = 0
        func addWords(upTo end: Int) {
            for word in words(scalars[start..<end]) { result += self.ids(of: word) }
        }
        while place < scalars.count {
            let rest = scalars[place...]
            if let token = Self.specials.first(where: { rest.starts(with: $0.unicodeScalars) }) {
                addWords(upTo: place)
                result.append(special(token))
                place += token.unicodeScalars.count
                start = place
            } else {
                place += 1
            }
        }
        addWords(upTo: scalars.count)
        return result
    }

    private func words(_ text: ArraySlice<Unicode.Scalar>) -> [[Unicode.Scalar]] {
        var words: [[Unicode.Scalar]] = []
        var word: [Unicode.Scalar] = []
        func end() {
            if !word.isEmpty { words.append(word) }
            word = []
        }
        for scalar in normalized(text) {
            if Self.isSpace(scalar) {
                end()
            } else if Self.isPunctuation(scalar) {
                end()
                words.append([scalar])
            } else {
                word.append(scalar)
            }
        }
        end()
        return words
    }

    private func normalized(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
        var clean = String.UnicodeScalarView()
        for scalar in text where !Self.isDeleted(scalar) {
            if Self.isSpace(scalar) {
                clean.append(" ")
            } else if splitChinese && Self.isChinese(scalar) {
                clean.append(contentsOf: [" ", scalar, " "])
            } else {
                clean.append(scalar)
            }
        }
        let letters = stripAccents ? String(clean).decomposedStringWithCanonicalMapping : String(clean)
        var result: [Unicode.Scalar] = []
        for scalar in letters.unicodeScalars {
            if stripAccents && Self.category(scalar) == .nonspacingMark { continue }
            // Each letter by itself: lowercased() knows of a final sigma, BERT does not.
            result += lowerCase ? Array(scalar.properties.lowercaseMapping.unicodeScalars) : [scalar]
        }
        return result
    }

    /// Greedy: at every place the longest piece; a word that cannot be made of pieces is unknown.
    private func ids(of word: [Unicode.Scalar]) -> [Int32] {
        guard word.count <= Self.mostCharacters else { return [special("[UNK]")] }
        var found: [Int32] = []
        var start = 0
        while start < word.count {
            let prefix: [Unicode.Scalar] = start > 0 ? ["#", "#"] : []
            var end = min(word.count, start + longest)
            while end > start, ids[prefix + word[start..<end]] == nil { end -= 1 }
            guard end > start else { return [special("[UNK]")] }
            found.append(ids[prefix + word[start..<end]]!)
            start = end
        }
        return found
    }

    private func special(_ token: String) -> Int32 { ids[Array(token.unicodeScalars)]! }

    private static func keptLengths(_ lengths: [Int], room: Int) -> [Int] {
        if lengths.reduce(0, +) <= room { return lengths }
        if lengths.count == 1 { return [room] }
        let short = min(lengths[0], lengths[1], room / 2)
        return lengths[0] <= lengths[1] ? [short, room - short] : [room - short, short]
    }

    private static let mostCharacters = 100
    private static let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    private static let chinese: [ClosedRange<UInt32>] = [
        0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F,
        0x2B740...0x2B81F, 0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F,
    ]

    // Marks, punctuation and format characters that came after Unicode 8, up to 18.
    private static let later: [ClosedRange<UInt32>] = [
        0x5C8...0x5C9, 0x61D...0x61D, 0x7FD...0x7FD, 0x890...0x8E2, 0x9FD...0x9FE, 0xA76...0xA76,
        0xAFA...0xAFF, 0xB53...0xB55, 0xC04...0xC3C, 0xC77...0xC77, 0xC84...0xC84, 0xD00...0xD00,
        0xD3B...0xD3C, 0xD81...0xD81, 0xEBA...0xEBA, 0xECE...0xECE, 0x180F...0x1886,
        0x1ABF...0x1AF0, 0x1B4E...0x1B4F, 0x1B7D...0x1B7F, 0x1DF6...0x1DFB, 0x2E43...0x2E63,
        0xA82C...0xA82C, 0xA8C5...0xA8C5, 0xA8FF...0xA8FF, 0xA9BD...0xA9BD, 0x10D24...0x10F89,
        0x11070...0x11074, 0x110C2...0x110CD, 0x111CF...0x111CF, 0x1123E...0x11241,
        0x1133B...0x1133B, 0x113BB...0x1145E, 0x11660...0x1166C, 0x116B9...0x116B9,
        0x1182F...0x11FFF, 0x12FF1...0x1612F, 0x16D6D...0x16F4F, 0x16FE2...0x16FE4,
        0x1CF00...0x1D128, 0x1D25B...0x1D25C, 0x1E000...0x1E6F5, 0x1E944...0x1E95F,
    ]

    /// By the host's tables, which are those of Unicode 8: what came later is a letter.
    private static func category(_ scalar: Unicode.Scalar) -> Unicode.GeneralCategory {
        switch scalar.value {
        case 0x166D, 0x111C9: return .otherPunctuation
        default: break
        }
        let isLater = later.contains { $0.contains(scalar.value) }
        return isLater ? .otherLetter : scalar.properties.generalCategory
    }

    private static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .spaceSeparator, .lineSeparator, .paragraphSeparator: return true
        default: return scalar == "\t" || scalar == "\n" || scalar == "\r"
        }
    }

    private static func isDeleted(_ scalar: Unicode.Scalar) -> Bool {
        switch category(scalar) {
        case .control, .format, .privateUse: return !isSpace(scalar)
        default: return scalar == "\u{FFFD}"
        }
    }

    private static func isChinese(_ scalar: Unicode.Scalar) -> Bool {
        chinese.contains { $0.contains(scalar.value) }
    }

    private static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 33...47, 58...64, 91...96, 123...126: return true
        default: break
        }
        switch category(scalar) {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
             .initialPunctuation, .finalPunctuation, .otherPunctuation: return true
        default: return false
        }
    }
}
