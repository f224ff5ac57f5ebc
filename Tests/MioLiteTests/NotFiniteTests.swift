import Foundation
import MioFormat
import MioTestSupport
import Testing

/// A network that computes something that is no number says so, with status 1, and leaves nothing that looks like a result.
///
/// One number of a packed model is made so large that products with it overflow; the hashes are checked by `verify` alone.
@Suite struct NotFiniteTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A copy of a packed model in which all numbers of the 32-bit tensors with that end of their name are 3e38.
  private func poisoned(_ component: String, _ ending: String) throws -> String {
    let source = try PackedModel.whole
    var data = try Data(contentsOf: URL(fileURLWithPath: source))
    let records = try ModelFile.open(path: source).tensors
      .filter { $0.component == component && $0.name.hasSuffix(ending) && $0.encoding == .f32 }
    try #require(!records.isEmpty, "no tensor \(ending) in \(component)")
    for record in records {
      for start in stride(from: Int(record.byteRange.lowerBound), to: Int(record.byteRange.upperBound) - 3, by: 4) {
        unsafe withUnsafeBytes(of: Float(3e38).bitPattern) { unsafe data.replaceSubrange(start..<start + 4, with: $0) }
      }
    }
    let path = folder.path("poisoned.mio")
    try data.write(to: URL(fileURLWithPath: path))
    return path
  }

  private func expectRefusal(_ arguments: [String], says part: String) throws {
    let result = try Program.run(arguments, in: folder.url)
    #expect(result.status == 1, "\(result.notes)")
    #expect(result.notes.contains("not finite") && result.notes.contains(part), "\(result.notes)")
    #expect(result.output.isEmpty)
    for name in ["out.wav", "out.png"] { #expect(!FileManager.default.fileExists(atPath: folder.path(name))) }
  }

  private func write(_ codes: String) throws {
    try Data("{\"codes\": \(codes)}".utf8).write(to: URL(fileURLWithPath: folder.path("codes.json")))
  }

  @Test(arguments: ["model.norm.weight", "0.input_layernorm.weight"])
  func `the language model`(_ tensor: String) throws {
    let model = try poisoned("language", tensor)
    try expectRefusal(["generate", "hello", "--seed", "1", "-m", model], says: "language model")
    try expectRefusal(["generate", "hello", "--beams", "3", "-m", model], says: "language model")
  }

  @Test func `the speech decoder`() throws {
    try write("[[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]")
    let model = try poisoned("speech", "decoder.model.0.conv.conv.bias")
    try expectRefusal(["decode", "codes.json", "-o", "out.wav", "-m", model], says: "speech decoder")
  }

  @Test func `the speech encoder`() throws {
    let model = try poisoned("speech", "encoder.model.0.conv.conv.bias")
    let samples = (0..<3200).flatMap { [UInt8(truncatingIfNeeded: $0 * 7), UInt8($0 % 90)] }
    try Data(BadInput.wave(samples)).write(to: URL(fileURLWithPath: folder.path("in.wav")))
    try expectRefusal(["encode", "in.wav", "--json", "-m", model], says: "speech encoder")
  }

  @Test func `the image tokenizer`() throws {
    let model = try poisoned("image-tokenizer", "blocks.0.norm1.weight")
    let image = Goldens.image("images/rgba.png").path
    try expectRefusal(["encode", image, "--json", "-m", model], says: "vision transformer")
  }

  @Test func `the denoiser and the VAE decoder`() throws {
    try write("\((0..<32).map { $0 })")
    for (tensor, part) in [("conv_norm_out.weight", "evaluation 1 of"), ("post_quant_conv.bias", "VAE decoder")] {
      let model = try poisoned("diffusion", tensor)
      try expectRefusal(["decode", "codes.json", "-o", "out.png", "--steps", "2", "--seed", "1", "-m", model], says: part)
    }
  }

  @Test(arguments: ["unipc", "dpm++2m"])
  func `a sampler that would stand still is refused`(_ sampler: String) throws {
    try write("\((0..<32).map { $0 })")
    let result = try Program.run(
      ["decode", "codes.json", "-o", "out.png", "--sampler", sampler, "--steps", "952", "-m", try PackedModel.whole],
      in: folder.url)
    #expect(result.status == 2 && result.notes.contains("different ones"), "\(result.notes)")
  }
}
