import Foundation
import MioConverter
import MioFormat
import MioModel
import MioTestSupport
import Testing

/// A codec converted from a checkpoint of the oracle, and the oracle's tensors for it.
struct SpeechFixture {
  let codec: SpeechCodec
  let goldens: GoldenTensors
  /// Max abs on features; the sums are long and ordered differently.
  let featureTolerance: Float
  /// Max abs on samples. Snake's sine makes the codec more sensitive to rounding.
  let waveTolerance: Float
  private let folder: TemporaryFolder

  static let names = ["ELU", "Snake"]

  init(_ name: String, quantization: Quantization = .f32) throws {
    let isSnake = name == "Snake"
    folder = try TemporaryFolder()
    let source = Goldens.speech(isSnake ? "speech-snake" : "tiny-mio").appendingPathComponent("SpeechTokenizer")
    // A checkpoint of the codec alone converts at once.
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("SpeechTokenizer"), withDestinationPath: source.path)
    let conversion = try Conversion(checkpoint: folder.url.path, quantization: quantization, threads: 1)
    _ = try conversion.run(output: folder.path("codec.mio"))
    let file = try ModelFile.open(path: folder.path("codec.mio"))
    codec = try SpeechCodec(from: file)
    goldens = try GoldenTensors(Goldens.speech("expected/\(isSnake ? "speech_snake" : "speech").safetensors"))
    featureTolerance = isSnake ? 5e-4 : 1e-4
    waveTolerance = isSnake ? 2e-3 : 1e-4
  }

  /// Numbers that follow `prefix` in the oracle's tensor names: its clip lengths.
  func clips(_ prefix: String) -> [String] {
    Set(goldens.names.compactMap { $0.hasPrefix(prefix) ? String($0.prefix { $0 != "/" }) : nil }).sorted()
  }
}
