import Foundation
import MioFormat
import MioMedia
import MioTestSupport
import Testing

@Suite struct ImageTests {
  /// What libraries count in `int` (Sources/decisions/5-numbers-of-c.md) stays below 2^31 with whatever the limits let through.
  @Test func `limits keep the numbers of C libraries small`() {
    let (most, side) = (ImageFile.pixelLimit, ImageFile.sideLimit)
    // 16-bit RGBA with a filter byte for each row, as stb_image unpacks a PNG; a row of WebP.
    #expect(8 * most + side < 1 << 30 && 4 * side < Int(Int32.max))
    #expect(3 * ImageFile.writablePixelLimit + side <= 1 << 29)
    #expect(Resampler.supportedRates.upperBound <= Int(Int32.max))
    // LZ4_MAX_INPUT_SIZE.
    #expect(FormatLimits.blobByteCount <= 0x7E00_0000 && FormatLimits.dimension <= Int(Int32.max))
  }

  /// What the oracle says about an image, before and after the resize.
  private struct Expected: Decodable {
    let width: Int
    let height: Int
    let decoded_rgb_sha256: String
    let resized_rgb_sha256: String
  }

  private func expected() throws -> [String: Expected] {
    try JSONDecoder().decode(
      [String: Expected].self, from: Data(contentsOf: Goldens.image("expected/preprocess.json")))
  }

  private func digest(_ image: Image) -> String { Digest(of: image.rgb).description }

  @Test(arguments: ["rgb_portrait.png", "gray.png", "rgba.png"])
  func `reads colors as the reference does, bit for bit`(name: String) throws {
    let expected = try #require(try expected()[name])
    let image = try ImageFile.open(path: Goldens.image("images/\(name)").path)
    #expect(image.width == expected.width && image.height == expected.height)
    #expect(digest(image) == expected.decoded_rgb_sha256)
  }

  @Test(arguments: ["rgb_landscape.jpg", "rgb_portrait.png", "gray.png", "rgba.png"])
  func `resizes as the reference does, bit for bit`(name: String) throws {
    // Decoders of JPEG differ by a level or two, so the oracle's decoded pixels are the start.
    let path = name.hasSuffix("jpg") ? "expected/decoded.\(name).png" : "images/\(name)"
    let image = try ImageFile.open(path: Goldens.image(path).path)
    let expected = try #require(try expected()[name])
    #expect(digest(image) == expected.decoded_rgb_sha256)
    #expect(digest(image.resized(width: 224, height: 224)) == expected.resized_rgb_sha256)
  }

  @Test func `decodes JPEG within two levels of the reference's decoder`() throws {
    let ours = try ImageFile.open(path: Goldens.image("images/rgb_landscape.jpg").path)
    let reference = try ImageFile.open(path: Goldens.image("expected/decoded.rgb_landscape.jpg.png").path)
    let differences = zip(ours.rgb, reference.rgb).map { abs(Int($0) - Int($1)) }
    #expect(ours.rgb.count == reference.rgb.count)
    #expect(differences.max() ?? 255 <= 4)
    #expect(differences.reduce(0, +) < differences.count / 2)
  }

  /// An image with every kind of neighbour, from a formula.
  private func pattern(_ width: Int, _ height: Int) -> Image {
    Image(
      width: width, height: height,
      rgb: (0..<(3 * width * height)).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7 &+ $0 % 13 * 19) })
  }

  @Test func `keeps an image that has the size already, and the color of a plain one at any size`() {
    let image = pattern(17, 9)
    #expect(image.resized(width: 17, height: 9) == image)
    let plain = Image(width: 5, height: 3, rgb: Array(repeating: 201, count: 45))
    for (width, height) in [(1, 1), (224, 224), (2, 300), (5, 1)] {
      #expect(plain.resized(width: width, height: height).rgb.allSatisfy { $0 == 201 })
    }
  }

  @Test func `writes PNG without loss and JPEG nearly so`() throws {
    let folder = try TemporaryFolder()
    for (width, height) in [(1, 1), (17, 9), (64, 48)] {
      let image = pattern(width, height)
      try image.write(to: folder.path("a.png"))
      #expect(try ImageFile.open(path: folder.path("a.png")) == image)
    }
    let plain = Image(width: 20, height: 10, rgb: (0..<200).flatMap { _ in [200, 100, 50] as [UInt8] })
    try plain.write(to: folder.path("a.JPG"), quality: 95)
    let read = try ImageFile.open(path: folder.path("a.JPG"))
    #expect(zip(read.rgb, plain.rgb).allSatisfy { abs(Int($0) - Int($1)) <= 3 })
    #expect(folder.contents == ["a.JPG", "a.png"])
  }

  @Test func `refuses names without a known suffix and folders that are not there`() throws {
    let folder = try TemporaryFolder()
    let image = pattern(2, 2)
    func code(_ name: String) -> MediaError.Code? {
      #expect(throws: MediaError.self) { try image.write(to: folder.path(name)) }?.code
    }
    for name in ["a.gif", "a", "png", ".hidden/a.b.c"] { #expect(code(name) == .unknownFormat, "\(name)") }
    #expect(code("none/a.png") == .writeFailed)
    #expect(folder.contents == [])
  }
}
