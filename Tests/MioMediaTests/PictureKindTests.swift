import Foundation
import MioFormat
import MioMedia
import MioTestSupport
import Testing

/// Pictures of many kinds against Pillow's `convert("RGB")`; made by `Tests/Goldens/make_picture_kinds.py`.
@Suite struct PictureKindTests {
  private struct Expected: Decodable {
    let width: Int
    let height: Int
    let sha256: String?
    let rgb: String?
  }

  private static func url(_ name: String) -> URL { Goldens.root.appendingPathComponent("picture-kinds/\(name)") }

  static let names = [
    "rgb.png", "rgba.png", "gray.png", "gray-alpha.png", "palette.png", "palette-transparent.png", "gray16.png",
    "one-bit.png", "rgb.bmp", "palette.bmp", "gray.bmp", "palette.gif", "animated.gif", "cmyk.jpg", "gray.jpg",
    "turned.jpg",
  ]

  @Test(arguments: names) func `gives the colors that the reference sees`(name: String) throws {
    let all = try JSONDecoder().decode([String: Expected].self, from: Data(contentsOf: Self.url("expected.json")))
    let expected = try #require(all[name])
    let picture = try PictureFile.open(path: Self.url(name).path)
    #expect(picture.width == expected.width && picture.height == expected.height)
    if let digest = expected.sha256 { #expect(Digest(of: picture.rgb).description == digest) }
    guard let hexadecimal = expected.rgb else { return }
    // Decoders of JPEG differ by a level or two.
    let digits = Array(hexadecimal.utf8).map { Int($0 > 57 ? $0 - 87 : $0 - 48) }
    let differences = picture.rgb.indices.map { abs(Int(picture.rgb[$0]) - digits[2 * $0] * 16 - digits[2 * $0 + 1]) }
    #expect(digits.count == 2 * picture.rgb.count)
    #expect(differences.max() ?? 255 <= 4, "\(differences.max() ?? 255)")
  }

  @Test func `the list names every picture of the folder`() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.url("").path).filter { $0 != "expected.json" }
    #expect(files.sorted() == Self.names.sorted())
  }
}
