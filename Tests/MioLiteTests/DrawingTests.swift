import Foundation
import MioMedia
import MioTestSupport
import Testing

/// Drawing with a small whole model: language, text, image tokenizer and diffusion.
@Suite struct DrawingTests {
  private let folder: TemporaryFolder
  private var model: String { folder.path("all.mio") }

  init() throws {
    folder = try TemporaryFolder()
    let checkpoint = folder.url.appendingPathComponent("checkpoint")
    try FileManager.default.createDirectory(at: checkpoint, withIntermediateDirectories: true)
    for set in [Goldens.speech("tiny-mio"), Goldens.image("tiny-mio")] {
      for part in try FileManager.default.contentsOfDirectory(atPath: set.path) {
        try FileManager.default.createSymbolicLink(
          atPath: checkpoint.appendingPathComponent(part).path,
          withDestinationPath: set.appendingPathComponent(part).path)
      }
    }
    let packed = try Program.run(["convert", checkpoint.path, "-o", model, "--quantize", "f32", "-q"])
    #expect(packed.status == 0, "\(packed.notes)")
  }

  private func imagine(_ name: String, _ options: [String]) throws -> [UInt8] {
    let result = try Program.run(
      ["imagine", "a lighthouse at dusk", "-o", folder.path(name), "-m", model, "--steps", "2", "-q"] + options)
    #expect(result.status == 0, "\(result.notes)")
    return try folder.bytes(name)
  }

  @Test func `the same seed draws the same picture on any number of threads`() throws {
    let first = try imagine("a.png", ["--seed", "3", "-t", "1"])
    let again = try imagine("b.png", ["--seed", "3", "-t", "3"])
    let other = try imagine("c.png", ["--seed", "4"])
    #expect(again == first && other != first)
    let picture = try PictureFile.open(path: folder.path("a.png"))
    #expect(picture.width == 128 && picture.height == 128)
  }

  @Test func `draws in other sizes and formats`() throws {
    let bytes = try imagine("a.jpg", ["--seed", "1", "--size", "64", "--guidance", "1"])
    #expect(bytes.first == 0xFF)
    let picture = try PictureFile.open(path: folder.path("a.jpg"))
    #expect(picture.width == 64)
  }

  @Test func `renders the codes of a picture`() throws {
    let encoded = try Program.run(["encode", Goldens.image("images/rgba.png").path, "--json", "-m", model])
    try Data(encoded.output).write(to: folder.url.appendingPathComponent("codes.json"))
    let decoded = try Program.run(
      ["decode", folder.path("codes.json"), "-o", folder.path("out.png"), "--seed", "1", "-m", model, "-q"])
    #expect(decoded.status == 0, "\(decoded.notes)")
    let picture = try PictureFile.open(path: folder.path("out.png"))
    #expect(picture.height == 128)
  }

  @Test(arguments: [
    (["--size", "65"], "multiple of 64"), (["--steps", "0"], "0 steps"), (["--steps", "2000"], "2000 steps"),
    (["--guidance", "nan"], "finite"), (["--sampler", "ddim"], "sampler"),
  ]) func `refuses what it cannot draw`(options: [String], message: String) throws {
    let result = try Program.run(["imagine", "x", "-o", folder.path("x.png"), "-m", model] + options)
    #expect(result.status == 2 && result.notes.contains(message), "\(result.notes)")
    #expect(!folder.contents.contains("x.png"))
  }

  @Test func `a file without the model says what is missing`() throws {
    let result = try Program.run(["imagine", "x", "-o", folder.path("x.png"), "-m", PackedModel.standard])
    #expect(result.status == 2 && result.notes.contains("diffusion model"), "\(result.notes)")
  }
}
