import Foundation
import MioConverter
import MioFormat
import MioModel
import MioTestSupport
import Testing

/// A codec converted from a checkpoint of the oracle, and the oracle's tensors for it.
struct SpeechFixture {
  /// The oracle's sets: MIO's layout with either activation, and two of unusual sizes (see `make_speech_sizes.py`).
  enum Set: String, CaseIterable {
    case elu, snake, uneven, dense

    var checkpoint: URL {
      switch self {
      case .elu: Goldens.speech("tiny-mio")
      case .snake: Goldens.speech("speech-snake")
      case .uneven, .dense: Goldens.root.appendingPathComponent("speech-sizes/\(rawValue)")
      }
    }

    var expected: URL {
      switch self {
      case .elu: Goldens.speech("expected/speech.safetensors")
      case .snake: Goldens.speech("expected/speech_snake.safetensors")
      case .uneven, .dense: checkpoint.appendingPathComponent("expected.safetensors")
      }
    }

    /// Max abs on features; the sums are long and ordered differently. Features of `dense` reach 300.
    var featureTolerance: Float {
      switch self {
      case .elu, .uneven: 1e-4
      case .snake: 5e-4
      case .dense: 2e-3
      }
    }

    /// Max abs on samples. Snake's sine makes the codec more sensitive to rounding.
    var waveTolerance: Float { self == .snake || self == .dense ? 2e-3 : 1e-4 }
  }

  let set: Set
  let codec: SpeechCodec
  let goldens: GoldenTensors
  private let folder: TemporaryFolder

  init(_ set: Set, quantization: Quantization = .f32) throws {
    self.set = set
    folder = try TemporaryFolder()
    // A checkpoint of the codec alone converts at once.
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("SpeechTokenizer"),
      withDestinationPath: set.checkpoint.appendingPathComponent("SpeechTokenizer").path)
    let conversion = try Conversion(checkpoint: folder.url.path, quantization: quantization, threads: 1)
    _ = try conversion.run(output: folder.path("codec.mio"))
    codec = try SpeechCodec(from: ModelFile.open(path: folder.path("codec.mio")))
    goldens = try GoldenTensors(set.expected)
  }

  /// The oracle's encoded (`enc`) or decoded (`dec`) clips, the longest last.
  func clips(_ kind: String) -> [String] {
    let names = goldens.names.compactMap { $0.hasPrefix(kind) ? String($0.prefix { $0 != "/" }) : nil }
    return Swift.Set(names).sorted { ($0.count, $0) < ($1.count, $1) }
  }

  func longestWave() throws -> [Float] { try goldens.floats("\(clips("enc").last ?? "")/wave") }

  func longestCodes() throws -> [[Int32]] { try goldens.integerRows("\(clips("dec").last ?? "")/codes") }
}
