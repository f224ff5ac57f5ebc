import Foundation
import MioMedia
import MioTestSupport
import Testing

@Suite struct BadImageTests {
  private func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: Goldens.image("images/\(name)"))) }

  private func code(_ bytes: [UInt8]) -> MediaError.Code? {
    #expect(throws: MediaError.self) { try ImageFile.open(bytes: bytes, name: "image") }?.code
  }

  @Test(arguments: ["rgb_landscape.jpg", "gray.png", "rgba.png"])
  func `never gives an image for a file that is cut off`(name: String) throws {
    let whole = try bytes(name)
    let lengths = Array(0..<min(200, whole.count)) + stride(from: 200, to: whole.count - 20, by: 97)
    for length in lengths {
      let found = code(Array(whole[..<length]))
      #expect([.empty, .notImage, .malformed].contains(found), "\(length) bytes: \(String(describing: found))")
    }
  }

  @Test func `survives damaged EXIF data`() throws {
    let url = Goldens.root.appendingPathComponent("image-kinds/turned.jpg")
    let whole = Array(try Data(contentsOf: url))
    for position in 0..<min(200, whole.count) {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
        var damaged = whole
        damaged[position] = value
        _ = try? ImageFile.open(bytes: damaged, name: "turned.jpg", upright: true)
      }
    }
  }

  @Test func `survives flipped bytes`() throws {
    for name in ["rgb_landscape.jpg", "gray.png", "rgba.png"] {
      let whole = try bytes(name)
      for position in stride(from: 0, to: whole.count, by: 61) {
        var damaged = whole
        damaged[position] ^= 0x5A
        // An image or a typed error, both are fine.
        _ = try? ImageFile.open(bytes: damaged, name: name)
      }
    }
  }

  /// A PNG's signature and header.
  private func header(_ width: UInt32, _ height: UInt32) -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + big(13) + Array("IHDR".utf8) + big(width) + big(height)
      + [8, 2, 0, 0, 0] + big(0)
  }

  @Test func `refuses huge and empty images before decoding them`() {
    #expect(code(header(65535, 65535)) == .tooLarge)
    #expect(code(header(10001, 10000)) == .tooLarge)
    #expect(code(header(70000, 1)) == .tooLarge)
    #expect(code(header(0xFFFF_FFFF, 0xFFFF_FFFF)) == .tooLarge)
    #expect(code(header(0, 5)) == .malformed)
    #expect(code(header(5, 0)) == .malformed)
  }

  @Test func `says what is no image`() throws {
    #expect(code([]) == .empty)
    #expect(code(Array("hello, this is text".utf8)) == .notImage)
    #expect(code(Array("RIFF1234WEBPVP8 ".utf8)) == .malformed)
    let folder = try TemporaryFolder()
    func opening(_ path: String) -> MediaError.Code? {
      #expect(throws: MediaError.self) { try ImageFile.open(path: path) }?.code
    }
    #expect(opening(folder.path("none.png")) == .cannotOpen)
    #expect(opening(folder.url.path) == .cannotOpen)
  }
}
