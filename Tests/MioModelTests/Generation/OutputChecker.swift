import MioModel

/// Reads output the way a decoder must, written from the rules and not from the grammar.
struct OutputChecker {
  var blocks: [MediaBlock] = []
  var fault: String?

  /// - Parameter tokens: an open block of the prompt, if any, and the output.
  init(_ tokens: [Int32], classes: TokenClasses, codebookCount: Int, stops: Bool) {
    var rest = tokens[...]
    while let id = rest.popFirst() {
      switch classes.kind(of: id) {
      case .text: break
      case .stop:
        if !rest.isEmpty { fault = "tokens after the stop token" }
      case .openSpeech: readSpeech(&rest, classes, codebookCount)
      case .openImage: readImage(&rest, classes)
      default: fault = "token \(id) stands outside a block"
      }
      if fault != nil { return }
    }
    if stops, let last = tokens.last, classes.kind(of: last) != .stop { fault = "no stop token at the end" }
  }

  private mutating func readSpeech(_ rest: inout ArraySlice<Int32>, _ classes: TokenClasses, _ codebookCount: Int) {
    var codebooks = Array(repeating: [Int](), count: codebookCount)
    var codebook = 0
    while let id = rest.popFirst() {
      switch classes.kind(of: id) {
      case .speech(let next, let code):
        if next != codebook && next != codebook + 1 || next >= codebookCount {
          fault = "codebook \(next) after \(codebook)"
          return
        }
        codebook = next
        codebooks[codebook].append(code)
      case .closeSpeech:
        if codebooks[0].isEmpty || codebooks.contains(where: { $0.count != codebooks[0].count }) {
          fault = "codebooks of \(codebooks.map(\.count)) frames"
        }
        return blocks.append(.speech(SpeechBlock(codebooks: codebooks)))
      default:
        fault = "token \(id) in speech"
        return
      }
    }
    fault = "speech does not end"
  }

  private mutating func readImage(_ rest: inout ArraySlice<Int32>, _ classes: TokenClasses) {
    var codes: [Int] = []
    while let id = rest.popFirst() {
      switch classes.kind(of: id) {
      case .image(let code): codes.append(code)
      case .closeImage:
        if codes.count != 32 { fault = "an image of \(codes.count) codes" }
        return blocks.append(.image(codes))
      default:
        fault = "token \(id) in an image"
        return
      }
    }
    fault = "an image does not end"
  }
}
