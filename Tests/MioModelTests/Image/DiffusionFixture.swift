import Foundation
import MioConverter
import MioFormat
import MioModel
import MioTestSupport

/// A diffusion model converted from the oracle's checkpoint, and the oracle's tensors for it.
struct DiffusionFixture {
  let model: DiffusionModel
  let unet: GoldenTensors
  let sampling: GoldenTensors
  /// What the oracle was told: how often it drew with how many steps, and how strongly guided.
  let steps: [Int]
  let guidance: Float
  private let folder: TemporaryFolder

  init(_ quantization: Quantization = .f32) throws {
    folder = try TemporaryFolder()
    // A checkpoint of this model alone converts at once.
    let name = "stable-diffusion-2-1-unclip"
    try FileManager.default.createSymbolicLink(
      atPath: folder.path(name), withDestinationPath: Goldens.image("tiny-mio/\(name)").path)
    let conversion = try Conversion(checkpoint: folder.url.path, quantization: quantization, threads: 1)
    _ = try conversion.run(output: folder.path("diffusion.mio"))
    model = try DiffusionModel(from: ModelFile.open(path: folder.path("diffusion.mio")))
    unet = try GoldenTensors(Goldens.image("expected/unet.safetensors"))
    sampling = try GoldenTensors(Goldens.image("expected/sampling.safetensors"))
    let told = try JSONDecoder().decode(Told.self, from: Data(contentsOf: Goldens.image("expected/config.json")))
    (steps, guidance) = (told.config.steps, told.config.guidance)
  }

  private struct Told: Decodable {
    struct Config: Decodable {
      let steps: [Int]
      let guidance: Float
    }
    let config: Config
  }

  /// What the oracle's image is drawn from.
  func embedding() throws -> [Float] { try unet.floats("image_embedding") }

  func latents() throws -> Latents {
    let shape = try unet.shape("initial_latents")
    return Latents(try unet.floats("initial_latents"), channels: shape[0], height: shape[1], width: shape[2])
  }

  /// The latents after the last of so many steps.
  func finalLatents(steps: Int) throws -> Latents {
    let (shape, values) = (try sampling.shape("latents_\(steps)"), try sampling.floats("latents_\(steps)"))
    let last = values.suffix(values.count / shape[0])
    return Latents(Array(last), channels: shape[1], height: shape[2], width: shape[3])
  }
}

/// The mean absolute difference of two images in levels of 255, and the largest.
func levelDifference(_ a: [UInt8], _ b: [UInt8]) -> (mean: Double, largest: Int) {
  guard a.count == b.count, !a.isEmpty else { return (.infinity, .max) }
  let differences = zip(a, b).map { abs(Int($0) - Int($1)) }
  return (Double(differences.reduce(0, +)) / Double(a.count), differences.max() ?? 0)
}
