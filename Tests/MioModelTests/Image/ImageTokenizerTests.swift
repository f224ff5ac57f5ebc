import MioConverter
import MioKernels
import MioModel
import MioTestSupport
import Testing

@Suite struct ImageTokenizerTests {
  let context = KernelContext(threads: 2)

  /// Max abs; measured below 2e-5 on the oracle's weights, whose features reach 10.
  private let tolerance: Float = 1e-4

  /// The oracle's name for each step, and ours; layers as far as the oracle has them.
  private static func steps(_ goldens: GoldenTensors, of image: String) -> [(golden: String, name: String)] {
    let names = Set(goldens.names)
    func layers(_ golden: String, _ name: String) -> [(String, String)] {
      (0...).lazy.prefix { names.contains("\(golden)\($0).\(image)") }.map { ("\(golden)\($0)", "\(name).\($0)") }
    }
    return [("vit_embed", "vision.start")] + layers("vit_block", "vision")
      + [("ln_vision_out", "vision")] + layers("qformer_layer", "queries")
      + [("qformer_out", "queries"), ("code_vectors", "code_vectors"), ("decode_up", "embedder.start")]
      + layers("decode_block", "embedder") + [("embedding", "embedding")]
  }

  @Test func `every layer agrees with the reference`() throws {
    let fixture = try ImageTokenizerFixture()
    let trace = ImageTrace(steps: true)
    let codes = try fixture.tokenizer.encode(pixels: fixture.pixels("rgb_landscape.jpg"), trace: trace, on: context)
    _ = try fixture.tokenizer.embed(codes: codes, trace: trace, on: context)
    let steps = Self.steps(fixture.goldens, of: "rgb_landscape.jpg")
    let visionSteps = steps.count { $0.golden.hasPrefix("vit_block") }
    #expect(visionSteps == fixture.tokenizer.config.visionLayerCount)
    for (golden, name) in steps {
      let expected = try fixture.goldens.floats("\(golden).rgb_landscape.jpg")
      let found = try #require(trace.tensors[name], "\(name) was not recorded")
      // The oracle keeps the first tokens only.
      let difference = largestDifference(Array(found.values.prefix(expected.count)), expected)
      #expect(difference < tolerance, "\(name): \(difference)")
    }
  }

  @Test(arguments: ImageTokenizerFixture.images)
  func `codes and embeddings of every image agree with the reference`(image: String) throws {
    let fixture = try ImageTokenizerFixture()
    let trace = ImageTrace()
    let codes = try fixture.tokenizer.encode(pixels: fixture.pixels(image), trace: trace, on: context)
    #expect(codes == fixture.codes[image])
    for (golden, name) in [("qformer_out", "queries"), ("code_vectors", "code_vectors")] {
      let expected = try fixture.goldens.floats("\(golden).\(image)")
      #expect(largestDifference(try #require(trace.tensors[name]).values, expected) < tolerance, "\(name)")
    }
    let embedding = try fixture.tokenizer.embed(codes: codes, on: context)
    #expect(largestDifference(embedding, try fixture.goldens.floats("embedding.\(image)")) < tolerance)
  }

  @Test func `normalized pixels agree with the reference`() throws {
    let fixture = try ImageTokenizerFixture()
    let side = fixture.tokenizer.config.imageSize
    let pixels = try fixture.pixels("rgb_landscape.jpg")
    let window = (0..<3).flatMap { channel in
      (96..<112).flatMap { row in (96..<112).map { pixels[(channel * side + row) * side + $0] } }
    }
    #expect(largestDifference(window, try fixture.goldens.floats("pixels.rgb_landscape.jpg")) < 1e-6)
  }

  /// The gate for reduced precision: no code of any image changes. 16-bit weights move embeddings, whose numbers are
  /// about 2, by thousandths.
  @Test(arguments: [Quantization.q4, .q8, .f16])
  func `fewer bits leave every code as it is`(quantization: Quantization) throws {
    let (exact, rounded) = (try ImageTokenizerFixture(), try ImageTokenizerFixture(quantization: quantization))
    for image in ImageTokenizerFixture.images {
      let codes = try rounded.tokenizer.encode(pixels: rounded.pixels(image), on: context)
      #expect(codes == exact.codes[image], "\(image)")
      let difference = largestDifference(
        try rounded.tokenizer.embed(codes: codes, on: context), try exact.tokenizer.embed(codes: codes, on: context))
      #expect(difference < 0.01, "\(image): \(difference)")
    }
  }

  @Test func `threads do not change a bit`() throws {
    let fixture = try ImageTokenizerFixture(quantization: .f16)
    let pixels = try fixture.pixels("rgba.png")
    let traces = try (1...3).map { threads in
      let (context, trace) = (KernelContext(threads: threads), ImageTrace())
      let codes = try fixture.tokenizer.encode(pixels: pixels, trace: trace, on: context)
      return try trace.tensors["code_vectors"]!.values + fixture.tokenizer.embed(codes: codes, on: context)
    }
    #expect(traces[0] == traces[1] && traces[0] == traces[2])
  }

  @Test func `names what is wrong with codes and pixels`() throws {
    let tokenizer = try ImageTokenizerFixture().tokenizer
    func code(_ codes: [Int32]) -> ImageTokenizerError.Code? {
      #expect(throws: ImageTokenizerError.self) { try tokenizer.embed(codes: codes, on: context) }?.code
    }
    for count in [0, 1, 31, 33] { #expect(code(Array(repeating: 5, count: count)) == .wrongCodeCount) }
    #expect(code(Array(repeating: 5, count: 31) + [8192]) == .codeOutOfRange)
    #expect(code(Array(repeating: 5, count: 31) + [-1]) == .codeOutOfRange)
    let count = 3 * tokenizer.config.imageSize * tokenizer.config.imageSize
    func pixelCode(_ pixels: [Float]) -> ImageTokenizerError.Code? {
      #expect(throws: ImageTokenizerError.self) { try tokenizer.encode(pixels: pixels, on: context) }?.code
    }
    #expect(pixelCode([]) == .wrongPixelCount)
    #expect(pixelCode(Array(repeating: 0, count: count - 1)) == .wrongPixelCount)
    #expect(pixelCode(Array(repeating: 0, count: count - 1) + [.infinity]) == .badPixel)
    #expect(throws: ImageTokenizerError.self) { try tokenizer.normalized(rgb: [0, 0, 0]) }
  }
}
