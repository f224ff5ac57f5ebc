import Foundation
import MioConverter
import MioFormat
import MioMedia
import MioModel
import MioTestSupport

/// An image tokenizer converted from the oracle's checkpoint, and the oracle's results for it.
struct ImageTokenizerFixture {
  /// What the oracle says about each image.
  private struct Codes: Decodable {
    let codes: [String: [Int32]]
  }

  static let images = ["rgb_landscape.jpg", "rgb_portrait.png", "gray.png", "rgba.png"]

  let tokenizer: ImageTokenizer
  let goldens: GoldenTensors
  let codes: [String: [Int32]]
  private let folder: TemporaryFolder

  init(quantization: Quantization = .f32) throws {
    folder = try TemporaryFolder()
    // A checkpoint of the tokenizer alone converts at once.
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("seed-tokenizer-2"),
      withDestinationPath: Goldens.image("tiny-mio/seed-tokenizer-2").path)
    let conversion = try Conversion(checkpoint: folder.url.path, quantization: quantization, threads: 2)
    _ = try conversion.run(output: folder.path("tokenizer.mio"))
    tokenizer = try ImageTokenizer(from: ModelFile.open(path: folder.path("tokenizer.mio")))
    goldens = try GoldenTensors(Goldens.image("expected/seed.safetensors"))
    codes = try JSONDecoder().decode(
      Codes.self, from: Data(contentsOf: Goldens.image("expected/codes.json"))
    ).codes
  }

  /// The pixels that the oracle's network saw: decoders of JPEG differ, so its own resized image is taken.
  func pixels(_ image: String) throws -> [Float] {
    let resized = try ImageFile.open(path: Goldens.image("expected/resized.\(image).png").path)
    return try tokenizer.normalized(rgb: resized.rgb)
  }
}
