import Foundation
import MioLite
import MioTestSupport
import Testing

/// How images say what they were made of, and are made again from it.
@Suite struct ImageOriginTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try PackedModel.whole
  }

  private func imagine(_ arguments: String...) throws -> Program.Result {
    try Program.run(["imagine", "-m", model, "--no-preview"] + arguments, in: folder.url)
  }

  @Test(arguments: [ImageFormatCase.png, .jpeg], ["a lighthouse", "ein Haus, größer\nals 山", "Steps: 3, a trap"])
  func `files say how they were made`(format: ImageFormatCase, prompt: String) throws {
    let options = ImageOptions(
      sampling: Sampling(seed: .max), steps: 7, guidance: 2.5, size: 16, sampler: .dpm2m, reuse: 3)
    let image = Image(width: 16, height: 16, rgb: Array(repeating: 9, count: 768))
    let bytes = try image.encoded(as: format.format, origin: ImageOrigin(prompt: prompt, options: options))
    let origin = try #require(ImageOrigin(bytes: bytes))
    #expect(origin.prompt == prompt)
    #expect(origin.options == options)
    #expect(ImageOrigin(bytes: try image.encoded(as: format.format)) == nil)
    for end in stride(from: 0, to: bytes.count, by: 3) { _ = ImageOrigin(bytes: Array(bytes[..<end])) }
  }

  enum ImageFormatCase: Sendable {
    case png, jpeg
    var format: Image.Format { self == .png ? .png : .jpeg }
  }

  @Test func `inspect tells it, and imagine repeats it`() throws {
    let first = try imagine(
      "a house", "--seed", "3", "--steps", "3", "--sampler", "unipc", "--guidance", "2", "-o", "a.png", "-q")
    #expect(first.status == 0, "\(first.notes)")
    let report = try Program.run(["inspect", "a.png"], in: folder.url)
    for words in ["a house", "seed      3", "steps     3", "unipc", "pixels"] { #expect(report.text.contains(words)) }
    let json = try Program.run(["inspect", "a.png", "--json"], in: folder.url).json
    #expect(json["prompt"] as? String == "a house" && json["steps"] as? Int == 3 && json["seed"] as? Int == 3)
    #expect(try imagine("--like", "a.png", "-o", "b.png", "-q").status == 0)
    #expect(try folder.bytes("b.png") == folder.bytes("a.png"))
    #expect(try imagine("--like", "a.png", "--seed", "4", "--steps", "2", "-o", "c.png", "-q").status == 0)
    #expect(try folder.bytes("c.png") != folder.bytes("a.png"))
    #expect(try Program.run(["inspect", "c.png"], in: folder.url).text.contains("unipc"))
    let photo = Goldens.image("images/rgba.png").path
    #expect(try imagine("--like", photo, "-o", "d.png").status == 2)
    #expect(try Program.run(["inspect", photo]).text.contains("does not say"))
  }

  @Test func `several images have seeds and files of their own, and a sheet`() throws {
    let result = try imagine("a house", "-n", "3", "--seed", "5", "--steps", "2", "-o", "set.png", "-q")
    #expect(result.status == 0, "\(result.notes)")
    let images = try (1...3).map { try folder.bytes("set-\($0).png") }
    #expect(Set(images).count == 3)
    #expect(try Image(contentsOf: folder.url.appendingPathComponent("set.png")).width > 128)
    #expect(try imagine("a house", "--seed", "6", "--steps", "2", "-o", "one.png", "-q").status == 0)
    #expect(try folder.bytes("one.png") == images[1])
    #expect(try imagine("a house", "-n", "2", "-o", "-").status == 2)
    #expect(try imagine("a house", "-n", "0", "-o", "x.png").status == 2)
  }
}
