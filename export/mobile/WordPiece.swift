import Foundation

/// What a model reads: one number a token, all of one length.
///
/// `ranges` says where each token stands in its own text, the first or the second; nil for added
/// tokens. `leftOut` is the number of tokens that were cut off.
struct Encoding {
    let inputIds: [Int32]
    let attentionMask: [Int32]
    let tokenTypeIds: [Int32]
    let ranges: [Range<String.Index>?]
    let leftOut: Int
}

/// The part of a long text that is read: its beginning, its end, or a quarter and the end.
enum Truncation { case head, tail, headTail }

/// BERT's tokenizer: text to the ids of word pieces.
///
/// `vocabulary` holds the lines of vocab.txt; the three switches stand in tokenizer_config.json of
/// the model's directory as do_lower_case, strip_accents (null there: as do_lower_case) and
/// tokenize_chinese_chars.
struct WordPiece {
    /// A word piece and its place in the text.
    typealias Piece = (id: Int32, range: Range<String.Index>?)
    private typealias Letter = (scalar: Unicode.Scalar, range: Range<String.Index>)

    let vocabulary: [String]
    private let ids: [[Unicode.Scalar]: Int32]
    private let longest: Int
    private let lowerCase, stripAccents, splitChinese: Bool

    init(vocabulary: [String], lowerCase: Bool = true, stripAccents: Bool? = nil,
         splitChinese: Bool = true) {
        // By scalars: Swift's strings hold "é" and "e\u{301}" to be equal.
        let pieces = vocabulary.map { Array($0.unicodeScalars) }
        ids = Dictionary(pieces.enumerated().map { ($1, Int32($0)) }) { $1 }
        longest = pieces.map(\.count).max() ?? 0
        self.vocabulary = vocabulary
        self.lowerCase = lowerCase
        self.stripAccents = stripAccents ?? lowerCase
        self.splitChinese = splitChinese
        for token in Self.specials {
            precondition(ids[Array(token.unicodeScalars)] != nil,
                         "the vocabulary has no \(token); it must be the lines of vocab.txt")
        }
    }

    /// The id of [MASK].
    var mask: Int32 { special("[MASK]") }

    /// [CLS] text [SEP], or [CLS] text [SEP] pair [SEP], padded to `length` tokens if it `pads`.
    ///
    /// The longer text is cut until both fit; `truncation` is the model's (config.json has it).
    func encode(_ text: String, pair: String? = nil, length: Int = 128, pads: Bool = true,
                truncation: Truncation = .head) -> Encoding {
        joined([text, pair].compactMap { $0 }.map(pieces), length, pads, truncation)
    }

    /// [CLS] question [SEP] context [SEP]; of a question the first `longest` tokens are read.
    func encodeQuestion(_ question: String, context: String, length: Int = 384, pads: Bool = true,
                        longest: Int = 64) -> Encoding {
        let all = pieces(question)
        let asked = Array(all.prefix(max(0, min(longest, (length - 3) / 2))))
        let cut = all.count - asked.count
        return joined([asked, pieces(context)], length, pads, .head, cut: cut)
    }

    /// The windows of a long text, each a quarter into the one before; at most `most`.
    func windows(_ text: String, length: Int, pads: Bool = true, most: Int = 16) -> [Encoding] {
        let all = pieces(text), room = length - 2
        precondition(room > 0, "length must be at least 3. Received: \(length)")
        let step = max(1, room - room / 4)
        let count = 1 + max(0, (all.count - room + step - 1) / step)
        return (0..<min(count, most)).map {
            joined([Array(all[$0 * step..<min($0 * step + room, all.count)])], length, pads, .head)
        }
    }

    /// The pieces of a text, without [CLS] and [SEP]. Special tokens in it stay whole.
    func pieces(_ text: String) -> [Piece] {
        let scalars = text.unicodeScalars
        var result: [Piece] = []
        var start = scalars.startIndex, place = start
        func addWords(upTo end: String.Index) {
            for word in words(scalars, start..<end) { result += pieces(of: word) }
        }
        while place < scalars.endIndex {
            let rest = scalars[place...]
            if let token = Self.specials.first(where: { rest.starts(with: $0.unicodeScalars) }) {
                addWords(upTo: place)
                start = scalars.index(place, offsetBy: token.unicodeScalars.count)
                result.append((special(token), place..<start))
                place = start
            } else {
                place = scalars.index(after: place)
            }
        }
        addWords(upTo: scalars.endIndex)
        return result
    }

    private func joined(_ parts: [[Piece]], _ length: Int, _ pads: Bool,
                        _ truncation: Truncation, cut: Int = 0) -> Encoding {
        let room = length - 1 - parts.count
        precondition(room >= 0, "length must be at least \(1 + parts.count). Received: \(length)")
        let kept = Self.keptLengths(parts.map(\.count), room: room)
        var all: [Piece] = [(special("[CLS]"), nil)]
        var types: [Int32] = [0]
        for (number, part) in parts.enumerated() {
            let head = part.count == kept[number] ? part.count : Self.head(kept[number], truncation)
            all += part.prefix(head) + part.suffix(kept[number] - head)
            all.append((special("[SEP]"), nil))
            types += Array(repeating: Int32(number), count: all.count - types.count)
        }
        let size = pads ? length : all.count
        func padded<T>(_ values: [T], with padding: T) -> [T] {
            values + Array(repeating: padding, count: size - values.count)
        }
        return Encoding(inputIds: padded(all.map(\.id), with: special("[PAD]")),
                        attentionMask: padded(all.map { _ in 1 }, with: 0),
                        tokenTypeIds: padded(types, with: 0),
                        ranges: padded(all.map(\.range), with: nil),
                        leftOut: cut + parts.map(\.count).reduce(0, +) - kept.reduce(0, +))
    }

    private func words(_ text: String.UnicodeScalarView,
                       _ part: Range<String.Index>) -> [[Letter]] {
        var words: [[Letter]] = []
        var word: [Letter] = []
        func end() {
            if !word.isEmpty { words.append(word) }
            word = []
        }
        for letter in normalized(text, part) {
            if Self.isSpace(letter.scalar) {
                end()
            } else if Self.isPunctuation(letter.scalar) {
                end()
                words.append([letter])
            } else {
                word.append(letter)
            }
        }
        end()
        return words
    }

    private func normalized(_ text: String.UnicodeScalarView,
                            _ part: Range<String.Index>) -> [Letter] {
        var clean: [Letter] = []
        for place in text[part].indices where !Self.isDeleted(text[place]) {
            let range = place..<text.index(after: place)
            if Self.isSpace(text[place]) {
                clean.append((" ", range))
            } else if splitChinese && Self.isChinese(text[place]) {
                clean += [(" ", range), (text[place], range), (" ", range)]
            } else {
                clean.append((text[place], range))
            }
        }
        var result: [Letter] = []
        for letter in stripAccents ? Self.decomposed(clean) : clean {
            if stripAccents && Self.category(letter.scalar) == .nonspacingMark { continue }
            // Each letter by itself: lowercased() knows of a final sigma, BERT does not.
            result += lowerCase
                ? letter.scalar.properties.lowercaseMapping.unicodeScalars.map { ($0, letter.range) }
                : [letter]
        }
        return result
    }

    /// Letters and marks apart. Where marks change places, the places in the text stay in order.
    private static func decomposed(_ letters: [Letter]) -> [Letter] {
        func nfd(_ text: String) -> String.UnicodeScalarView {
            text.decomposedStringWithCanonicalMapping.unicodeScalars
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: letters.map(\.scalar))
        let ranges = letters.flatMap { letter in
            nfd(String(Character(letter.scalar))).map { _ in letter.range }
        }
        return zip(nfd(String(text)), ranges).map { ($0, $1) }
    }

    /// Greedy: at every place the longest piece; a word that cannot be made of pieces is unknown.
    private func pieces(of word: [Letter]) -> [Piece] {
        let scalars = word.map(\.scalar)
        func range(_ start: Int, _ end: Int) -> Range<String.Index> {
            word[start].range.lowerBound..<word[end - 1].range.upperBound
        }
        let unknown = [Piece(special("[UNK]"), range(0, word.count))]
        guard word.count <= Self.mostCharacters else { return unknown }
        var found: [Piece] = []
        var start = 0
        while start < word.count {
            let prefix: [Unicode.Scalar] = start > 0 ? ["#", "#"] : []
            var end = min(word.count, start + longest)
            while end > start, ids[prefix + scalars[start..<end]] == nil { end -= 1 }
            guard end > start else { return unknown }
            found.append((ids[prefix + scalars[start..<end]]!, range(start, end)))
            start = end
        }
        return found
    }

    private func special(_ token: String) -> Int32 { ids[Array(token.unicodeScalars)]! }

    private static func head(_ kept: Int, _ truncation: Truncation) -> Int {
        switch truncation {
        case .head: return kept
        case .tail: return 0
        case .headTail: return (kept + 2) / 4
        }
    }

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
        case 0x1734: return .nonspacingMark // until Unicode 14
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
