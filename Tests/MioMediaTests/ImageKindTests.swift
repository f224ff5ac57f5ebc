import Foundation
import MioFormat
import MioMedia
import MioTestSupport
import Testing

/// Images of many kinds against Pillow's `convert("RGB")`; made by `Tests/Goldens/make_image_kinds.py`.
@Suite struct ImageKindTests {
  private struct Expected: Decodable {
    let width: Int
    let height: Int
    let sha256: String?
    let rgb: String?
  }

  private static func url(_ name: String) -> URL { Goldens.root.appendingPathComponent("image-kinds/\(name)") }

  static let names = [
    "rgb.png", "rgba.png", "gray.png", "gray-alpha.png", "palette.png", "palette-transparent.png", "gray16.png",
    "one-bit.png", "rgb.bmp", "palette.bmp", "gray.bmp", "palette.gif", "animated.gif", "interlaced.gif", "disposal.gif",
    "cmyk.jpg", "gray.jpg", "turned.jpg", "subsampled.jpg", "progressive.jpg", "lossless.webp", "lossy.webp",
  ]

  @Test(arguments: names) func `gives the colors that the reference sees`(name: String) throws {
    let all = try JSONDecoder().decode([String: Expected].self, from: Data(contentsOf: Self.url("expected.json")))
    let expected = try #require(all[name])
    let image = try ImageFile.open(path: Self.url(name).path)
    #expect(image.width == expected.width && image.height == expected.height)
    if let digest = expected.sha256 { #expect(Digest(of: image.rgb).description == digest) }
    guard let hexadecimal = expected.rgb else { return }
    // Versions of libjpeg-turbo may differ by a level.
    let digits = Array(hexadecimal.utf8).map { Int($0 > 57 ? $0 - 87 : $0 - 48) }
    let differences = image.rgb.indices.map { abs(Int(image.rgb[$0]) - digits[2 * $0] * 16 - digits[2 * $0 + 1]) }
    #expect(digits.count == 2 * image.rgb.count)
    #expect(differences.max() ?? 255 <= 1, "\(differences.max() ?? 255)")
  }

  @Test func `turns an image upright when asked to`() throws {
    let path = Self.url("turned.jpg").path
    let (stored, upright) = (try ImageFile.open(path: path), try ImageFile.open(path: path, upright: true))
    // Orientation 6: the camera's right is up.
    #expect(upright.width == stored.height && upright.height == stored.width)
    func pixel(_ image: Image, _ x: Int, _ y: Int) -> [UInt8] {
      Array(image.rgb[3 * (y * image.width + x)..<3 * (y * image.width + x + 1)])
    }
    #expect(pixel(upright, upright.width - 1, 0) == pixel(stored, 0, 0))
    #expect(pixel(upright, 0, 0) == pixel(stored, 0, stored.height - 1))
    #expect(pixel(upright, upright.width - 1, upright.height - 1) == pixel(stored, stored.width - 1, 0))
  }

  @Test func `the list names every image of the folder`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.url("").path).filter { $0 != "expected.json" }
    #expect(files.sorted() == Self.names.sorted())
  }
}
