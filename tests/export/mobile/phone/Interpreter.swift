// TensorFlowLiteSwift's interface, as far as the snippets need it, over a file that the test holds
// open. A request is a line to standard output, its answer a line from standard input.
import Foundation

struct TestError: Error { let message: String }

enum Test {
    static func tell(_ words: String...) {
        print(words.joined(separator: " "))
        fflush(stdout)
    }

    static func ask(_ words: String...) throws -> String {
        print(words.joined(separator: " "))
        fflush(stdout)
        let reply = readLine()!
        if reply.hasPrefix("error") { throw TestError(message: reply) }
        return reply
    }

    /// The texts of the next example; nil behind the last.
    static func next() throws -> [String]? {
        let reply = try ask("next")
        if reply == "end" { return nil }
        return reply.split(separator: " ", omittingEmptySubsequences: false).map { text in
            let digits = Array(text)
            let bytes = stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(digits[$0...$0 + 1]), radix: 16)!
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}

struct Tensor {
    struct Shape: ExpressibleByArrayLiteral {
        let dimensions: [Int]

        init(_ dimensions: [Int]) { self.dimensions = dimensions }
        init(arrayLiteral: Int...) { dimensions = arrayLiteral }
    }

    let shape: Shape
    let data: Data
}

final class Interpreter {
    struct Options { var threadCount: Int? }

    init(modelPath: String, options: Options? = nil) throws { _ = try Test.ask("open") }

    func signatureRunner(with key: String) throws -> SignatureRunner {
        _ = try Test.ask("has", key)
        return try SignatureRunner()
    }
}

final class SignatureRunner {
    private(set) var inputs: [String] = []
    private var shapes: [String: [Int]] = [:]

    init() throws {
        inputs = try Test.ask("names").split(separator: " ").map(String.init)
        for name in inputs {
            shapes[name] = try Test.ask("shape", "inputs", name).split(separator: " ").map { Int($0)! }
        }
    }

    func input(named name: String) throws -> Tensor {
        guard let shape = shapes[name] else { throw TestError(message: "no input \(name)") }
        return Tensor(shape: .init(shape), data: Data(count: 4 * shape.reduce(1, *)))
    }

    func resizeInput(named name: String, toShape shape: Tensor.Shape) throws {
        shapes[name] = shape.dimensions
    }

    /// As there: data of another size than the tensor's are refused.
    func invoke(with inputs: [String: Data]) throws {
        for (name, data) in inputs {
            guard try input(named: name).data.count == data.count else {
                throw TestError(message: "\(name) has \(data.count) bytes")
            }
            let numbers = data.withUnsafeBytes { Array($0.bindMemory(to: Int32.self)) }
            _ = try Test.ask("set", name, shapes[name]!.map(String.init).joined(separator: ","),
                             numbers.map(String.init).joined(separator: " "))
        }
        _ = try Test.ask("invoke")
    }

    func output(named name: String) throws -> Tensor {
        let parts = try Test.ask("get", name).split(separator: "|")
        let numbers = parts[1].split(separator: " ").map { Float($0)! }
        return Tensor(shape: .init(parts[0].split(separator: ",").map { Int($0)! }),
                      data: numbers.withUnsafeBufferPointer { Data(buffer: $0) })
    }
}
