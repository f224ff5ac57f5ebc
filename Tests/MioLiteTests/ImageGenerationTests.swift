import Foundation
import MioLite
import MioMedia
import MioTestSupport
import Testing

/// Drawing with a small whole model: language, text, image tokenizer and diffusion.
@Suite struct ImageGenerationTests {
  private let folder: TemporaryFolder
  private let model: String

  init() throws {
    folder = try TemporaryFolder()
    model = try PackedModel.whole
  }

  private func imagine(_ name: String, _ options: [String]) throws -> [UInt8] {
    let result = try Program.run(
      ["imagine", "a lighthouse at dusk", "-o", folder.path(name), "-m", model, "-q"]
        + (options.contains("--steps") ? [] : ["--steps", "2"]) + options)
    #expect(result.status == 0, "\(result.notes)")
    return try folder.bytes(name)
  }

  @Test func `the same seed draws the same image on any number of threads`() throws {
    let first = try imagine("a.png", ["--seed", "3", "-t", "1"])
    let again = try imagine("b.png", ["--seed", "3", "-t", "3"])
    let other = try imagine("c.png", ["--seed", "4"])
    #expect(again == first && other != first)
    let image = try ImageFile.open(path: folder.path("a.png"))
    #expect(image.width == 128 && image.height == 128)
  }

  @Test func `draws in other sizes and formats`() throws {
    let bytes = try imagine("a.jpg", ["--seed", "1", "--size", "64", "--guidance", "1"])
    #expect(bytes.first == 0xFF)
    let image = try ImageFile.open(path: folder.path("a.jpg"))
    #expect(image.width == 64)
  }

  @Test(arguments: ["dpm++2m", "unipc"]) func `draws by other samplers`(sampler: String) throws {
    let plain = try imagine("plms.png", ["--seed", "3", "--steps", "20"])
    let first = try imagine("a.png", ["--seed", "3", "--sampler", sampler, "--steps", "10"])
    let again = try imagine("b.png", ["--seed", "3", "--sampler", sampler, "--steps", "10", "-t", "1"])
    #expect(first == again && first != plain)
    // Half the steps lead to the same image: measured 9 levels away, where 10 steps of PLMS are 21 away.
    let (a, b) = (try ImageFile.open(path: folder.path("plms.png")), try ImageFile.open(path: folder.path("a.png")))
    let sum = zip(a.rgb, b.rgb).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
    #expect(Double(sum) / Double(a.rgb.count) < 15, "\(Double(sum) / Double(a.rgb.count))")
  }

  @Test func `uses inner blocks again when asked to`() throws {
    let plain = try imagine("plain.png", ["--seed", "3", "--steps", "10"])
    let reused = try imagine("reused.png", ["--seed", "3", "--steps", "10", "--reuse", "2"])
    #expect(reused != plain && String(decoding: reused, as: UTF8.self).contains("Reuse: 2"))
    #expect(try imagine("again.png", ["--seed", "3", "--steps", "10", "--reuse", "2", "-t", "1"]) == reused)
  }

  @Test func `writes prompt, seed and settings into the file`() throws {
    let png = String(decoding: try imagine("a.png", ["--seed", "3"]), as: UTF8.self)
    #expect(png.contains("a lighthouse at dusk") && png.contains("Steps: 2, Sampler: plms, CFG scale: 10.0, Seed: 3"))
    #expect(png.contains("Size: 128x128"))
    let jpeg = String(decoding: try imagine("a.jpg", ["--seed", "3"]), as: UTF8.self)
    #expect(jpeg.contains("Seed: 3"))
  }

  @Test func `writes an image to standard output`() throws {
    let result = try Program.run(["imagine", "x", "-o", "-", "-m", model, "--steps", "2", "--seed", "1", "-q"])
    #expect(result.status == 0, "\(result.notes)")
    #expect(try ImageFile.open(bytes: result.output, name: "stdout").width == 128)
  }

  @Test func `renders the codes of an image`() throws {
    let encoded = try Program.run(["encode", Goldens.image("images/rgba.png").path, "--json", "-m", model])
    try Data(encoded.output).write(to: folder.url.appendingPathComponent("codes.json"))
    let decoded = try Program.run(
      ["decode", folder.path("codes.json"), "-o", folder.path("out.png"), "--seed", "1", "-m", model, "-q"])
    #expect(decoded.status == 0, "\(decoded.notes)")
    let image = try ImageFile.open(path: folder.path("out.png"))
    #expect(image.height == 128)
  }

  @Test(arguments: [
    (["--size", "65"], "multiple of 64"), (["--steps", "0"], "0 steps"), (["--steps", "2000"], "2000 steps"),
    (["--guidance", "nan"], "finite"), (["--sampler", "ddim"], "sampler"), (["--sampler", "unipc", "--steps", "0"], "0 steps"),
    (["--reuse", "0"], "reuse"),
  ]) func `refuses what it cannot draw`(options: [String], message: String) throws {
    let result = try Program.run(["imagine", "x", "-o", folder.path("x.png"), "-m", model] + options)
    #expect(result.status == 2 && result.notes.contains(message), "\(result.notes)")
    #expect(!folder.contents.contains("x.png"))
  }

  @Test func `the file says how its images are drawn`() throws {
    let own = folder.path("own.mio")
    let changes = ["image_steps=3", "image_guidance=1", "image_sampler=unipc"]
    #expect(try Program.run(["set", model] + changes + ["-o", own]).status == 0)
    let said = try imagine("said.png", ["--seed", "3", "--steps", "3", "--guidance", "1", "--sampler", "unipc"])
    let arguments = ["imagine", "a lighthouse at dusk", "--seed", "3", "-m", own, "-o"]
    #expect(try Program.run(arguments + [folder.path("own.png")]).status == 0)
    let images = try [said, folder.bytes("own.png")].map { try Image(bytes: $0).rgb }
    #expect(images[0] == images[1])
    #expect(try ImageOrigin(bytes: folder.bytes("own.png"))?.options == ImageOrigin(bytes: said)?.options)
    let resolved = try Model(path: own).resolved(ImageOptions(guidance: 2))
    #expect(resolved.steps == 3 && resolved.guidance == 2 && resolved.sampler == .unipc && resolved.size == 128)
    let reference = try Model(path: model).resolved(ImageOptions())
    #expect(reference.steps == 20 && reference.guidance == 10 && reference.sampler == .plms)
    // What is asked for wins.
    #expect(try Program.run(arguments + [folder.path("two.png"), "--steps", "2"]).status == 0)
    #expect(try ImageOrigin(bytes: folder.bytes("two.png"))?.options.steps == 2)

    let odd = folder.path("odd.mio")
    #expect(try Program.run(["set", model, "image_sampler=ddim", "-o", odd]).status == 0)
    let refused = try Program.run(["imagine", "x", "-o", folder.path("x.png"), "-m", odd])
    #expect(refused.status != 0 && refused.notes.contains("ddim") && refused.notes.contains("plms"), "\(refused.notes)")
  }

  @Test func `a file without the model says what is missing`() throws {
    let result = try Program.run(["imagine", "x", "-o", folder.path("x.png"), "-m", PackedModel.standard])
    #expect(result.status == 2 && result.notes.contains("diffusion model"), "\(result.notes)")
  }
}
