import MioKernels
import MioModel

// Images seen and drawn.
extension Benchmark {
  /// Images turned into codes per second.
  func see(_ context: KernelContext, _ limits: MachineLimits) throws -> BenchReport.Result {
    guard let tokenizer else { throw Failure(.wrongInput, "\(file.path): the file has no image tokenizer") }
    let count = 3 * tokenizer.config.imageSize * tokenizer.config.imageSize
    let pixels = (0..<count).map { Float(($0 * 7919) % 509) / 127 - 2 }
    let rates = try repeated {
      _ = try tokenizer.encode(pixels: pixels, on: context)
      return 1
    }
    let operations = 2 * Double(tokenizer.config.encoderMultiplyAdds)
    return result(
      "see", context, batch: 1, depth: 0, rates, limit: limits.f32Gigaflops * 1e9 / operations, named: "f32 products")
  }

  /// Rows of the U-Net per second, two at once as guidance needs them; or images decoded per second.
  ///
  /// - Parameter pixels: the sides of the image.
  func draw(
    _ phase: String, pixels: Int, _ context: KernelContext, _ limits: MachineLimits
  ) throws -> BenchReport.Result {
    guard let diffusion else { throw Failure(.wrongInput, "\(file.path): the file has no diffusion model") }
    let config = diffusion.config
    let side = max(1, pixels / config.pixelFactor / config.sideFactor) * config.sideFactor
    let latents = Latents(seed: 1, channels: config.latentChannels, height: side, width: side)
    let embedding = (0..<config.embeddingWidth).map { Float(($0 * 37) % 101) / 50 - 1 }
    let isNetwork = phase == "unet"
    let rows = isNetwork ? 2 : 1
    let rates = try repeated {
      if isNetwork {
        _ = try diffusion.predict(latents, timestep: 501, embeddings: [nil, embedding], on: context)
      } else {
        _ = try diffusion.decode(latents, on: context)
      }
      return Double(rows)
    }
    let cost =
      isNetwork
      ? config.networkMultiplyAdds(height: side, width: side) : config.decoderMultiplyAdds(height: side, width: side)
    return result(
      phase, context, batch: rows, depth: side * config.pixelFactor, rates,
      limit: limits.f32Gigaflops * 1e9 / (2 * Double(cost)), named: "f32 products")
  }
}
