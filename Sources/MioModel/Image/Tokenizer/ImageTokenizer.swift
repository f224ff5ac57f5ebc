import MioFormat
import MioKernels

/// SEED-2: an image to 32 codes, and codes to the embedding that an image is drawn from.
///
/// Ge et al. 2023, arXiv:2310.01218. MODEL.md describes the network; the sizes come from the file.
package struct ImageTokenizer: Sendable {
  /// The component of a model file that holds the tokenizer.
  package static let component = "image-tokenizer"

  package let config: ImageTokenizerConfig
  let vision: VisionTransformer
  let queryFormer: QueryFormer
  let quantizer: CodeQuantizer
  let embedder: ImageEmbedder

  package init(from file: ModelFile) throws(ModelFileError) {
    let weights = WeightScope(file, component: Self.component)
    config = try ImageTokenizerConfig(weights.config)
    vision = try VisionTransformer(config, from: weights)
    queryFormer = try QueryFormer(config, from: weights)
    quantizer = try CodeQuantizer(config, from: weights)
    embedder = try ImageEmbedder(config, from: weights)
  }

  // Mean and deviation of the pixels of CLIP's training images, red, green, blue.
  private static let means: [Float] = [0.48145466, 0.4578275, 0.40821073]
  private static let deviations: [Float] = [0.26862954, 0.26130258, 0.27577711]

  /// The pixels of an image as the network reads them.
  ///
  /// - Parameter rgb: [S, S, 3], rows from the top, red first.
  /// - Returns: [3, S, S].
  package func normalized(rgb: [UInt8]) throws(ImageTokenizerError) -> [Float] {
    let count = config.imageSize * config.imageSize
    guard rgb.count == 3 * count else { throw wrongPixelCount(rgb.count) }
    var pixels = [Float](repeating: 0, count: 3 * count)
    for channel in 0..<3 {
      for index in 0..<count {
        let value = Float(rgb[3 * index + channel]) / 255
        pixels[channel * count + index] = (value - Self.means[channel]) / Self.deviations[channel]
      }
    }
    return pixels
  }

  /// Encodes one image.
  ///
  /// - Parameter pixels: [3, S, S], normalized.
  /// - Returns: 32 codes, each in 0..<8192 at MIO's sizes.
  package func encode(
    pixels: [Float], trace: ImageTrace? = nil, on context: KernelContext
  ) throws(ImageTokenizerError) -> [Int32] {
    guard pixels.count == 3 * config.imageSize * config.imageSize else { throw wrongPixelCount(pixels.count) }
    guard pixels.allSatisfy(\.isFinite) else {
      throw ImageTokenizerError(.badPixel, "a pixel is not a number or infinite; normalize 8-bit pixels")
    }
    var features = Activations(rows: config.tokenCount, columns: config.visionWidth)  // [T, Ev]
    encodeVision(pixels, into: &features, trace: trace, on: context)
    try check(features.isFinite, "vision transformer")
    var queries = Activations(rows: config.queryCount, columns: config.queryWidth)  // [Q, Eq]
    var scratch = QueryFormer.Scratch(config)
    queryFormer.forward(features, into: &queries, scratch: &scratch, trace: trace, on: context)
    try check(queries.isFinite, "Q-Former")
    var quantizing = CodeQuantizer.Scratch(config)
    return quantizer.forward(queries, scratch: &quantizing, trace: trace, on: context)
  }

  /// A function of its own, so that the widest buffers are freed before the queries need theirs.
  private func encodeVision(
    _ pixels: [Float], into features: inout Activations, trace: ImageTrace?, on context: KernelContext
  ) {
    var scratch = VisionTransformer.Scratch(vision)
    vision.forward(pixels: pixels, into: &features, scratch: &scratch, trace: trace, on: context)
  }

  /// The embedding that an image is drawn from, 1024 numbers at MIO's sizes.
  ///
  /// - Parameter codes: exactly as many as `encode` gives.
  package func embed(
    codes: [Int32], trace: ImageTrace? = nil, on context: KernelContext
  ) throws(ImageTokenizerError) -> [Float] {
    guard codes.count == config.queryCount else {
      throw ImageTokenizerError(.wrongCodeCount, "\(codes.count) codes; an image has \(config.queryCount)")
    }
    if let index = codes.firstIndex(where: { $0 < 0 || $0 >= Int32(config.codebookSize) }) {
      throw ImageTokenizerError(
        .codeOutOfRange, "code \(codes[index]) at place \(index); codes are 0...\(config.codebookSize - 1)")
    }
    let embedding = embedder.forward(codes, codebook: quantizer, trace: trace, on: context)
    try check(Activations.areFinite(embedding), "path from codes to embedding")
    return embedding
  }

  private func check(_ areNumbers: Bool, _ part: String) throws(ImageTokenizerError) {
    if areNumbers { return }
    throw ImageTokenizerError(
      .notFinite,
      "the image tokenizer's \(part) gave numbers that are not finite; its weights are damaged, which 'mio-lite verify' "
        + "tells, or no image tokenizer's: convert the checkpoint again")
  }

  private func wrongPixelCount(_ count: Int) -> ImageTokenizerError {
    ImageTokenizerError(
      .wrongPixelCount, "\(count) pixel values; the network sees 3 x \(config.imageSize) x \(config.imageSize)")
  }
}
