import Foundation
import MioMedia
import MioTestSupport
import Testing

/// Images at the edges of their formats, against Pillow; made by `Tests/Goldens/make_image_edges.py`.
@Suite struct ImageEdgeTests {
  private struct Expected: Decodable {
    let file: Data
    let width: Int
    let height: Int
    let rgb: String
  }

  private static func all() throws -> [String: Expected] {
    try JSONDecoder().decode(
      [String: Expected].self, from: Data(contentsOf: Goldens.root.appendingPathComponent("image-edges.json")))
  }

  private func hexadecimal(_ image: Image) -> String { image.rgb.map { String(format: "%02x", $0) }.joined() }

  @Test func `shows what Pillow shows`() throws {
    let stills = try Self.all().filter { !$0.key.hasPrefix("later") }
    #expect(stills.count == 11)
    for (name, expected) in stills {
      let image = try ImageFile.open(bytes: Array(expected.file), name: name, upright: true)
      #expect(image.width == expected.width && image.height == expected.height, "\(name)")
      #expect(hexadecimal(image) == expected.rgb, "\(name)")
    }
  }

  @Test func `lets later GIF frames stick out, as Pillow does`() throws {
    let all = try Self.all()
    let film = try #require(all["later GIF frames, 0"])
    var reader = try GIFReader(Array(film.file), name: "film.gif")
    for index in 0..<3 {
      let expected = try #require(all["later GIF frames, \(index)"])
      let image = try #require(try reader.next()).image
      #expect(image.width == expected.width && image.height == expected.height, "\(index)")
      #expect(hexadecimal(image) == expected.rgb, "\(index)")
    }
    #expect(try reader.next() == nil)
  }

  @Test func `passes over GIF frames without a pixel`() throws {
    let file = try #require(
      Data(
        base64Encoded:
          "R0lGODlhBAAEAIEDAAoUHsgAAADIAAAAyCwAAAAABAAEAAACDQRDcQRDcQRDcQRDcQUALAAAAAAAAAAAAAIBBQAsAQABAAIAAgAAAgQE"
          + "Q3EFADs="))
    var reader = try GIFReader(Array(file), name: "film.gif")
    var sizes: [[Int]] = []
    while let frame = try reader.next() { sizes.append([frame.image.width, frame.image.height]) }
    #expect(sizes == [[4, 4], [4, 4]])
  }

  @Test func `gives an image or a typed error whatever is changed`() throws {
    for (name, expected) in try Self.all() {
      for position in expected.file.indices {
        for value: UInt8 in [0, 0x3D, 0xFF] {
          var damaged = Array(expected.file)
          damaged[position] = value
          do { _ = try ImageFile.open(bytes: damaged, name: name, upright: true) } catch {}
        }
        do { _ = try ImageFile.open(bytes: Array(expected.file[..<position]), name: name, upright: true) } catch {}
      }
    }
  }

  @Test(arguments: [
    ("HEIC", "heif-convert", Array("\0\0\0\u{18}ftypheic\0\0\0\0mif1heic".utf8)),
    ("HEIC", "heif-convert", Array("\0\0\0\u{18}ftypmif1\0\0\0\0mif1heic".utf8)),
    ("AVIF", "avifdec", Array("\0\0\0\u{1C}ftypmif1\0\0\0\0mif1avifmiaf".utf8)),
    ("AVIF", "avifdec", Array("\0\0\0\u{1C}ftypavif\0\0\0\0avifmif1miaf".utf8)),
    ("TIFF", "magick", Array("II*\0\u{8}\0\0\0".utf8)),
    ("JPEG XL", "djxl", [0xFF, 0x0A, 0x01, 0x02]),
  ])
  func `names the format of a still image that is not read, and the way out`(
    format: String, program: String, start: [UInt8]
  ) throws {
    let bytes = start + [UInt8](repeating: 0, count: 400)
    let found = [
      #expect(throws: MediaError.self) { try ImageFile.open(bytes: bytes, name: "photo") },
      #expect(throws: MediaError.self) { try MediaFile.openVisual(bytes: bytes, name: "photo") },
    ]
    for error in found {
      #expect(error?.code == .notImage)
      #expect(error?.description.contains(format) == true && error?.description.contains(program) == true)
    }
  }

  @Test(arguments: ["YUV4MPEG2 W16 H16 F25:1 Ip C420jpeg\n", "nut/multimedia container\0", "RIFF    AVI LIST"])
  func `takes videos whose headers are words for videos`(header: String) throws {
    let file = try MediaFile.openVisual(bytes: Array(header.utf8), name: "film")
    guard case .video = file else { return #expect(Bool(false), "\(header) is no video") }
  }

  @Test func `keeps key frames at the size that the caller asks for, and no more than a limit`() throws {
    let folder = try TemporaryFolder()
    let large = Image(width: 300, height: 200, rgb: [UInt8](repeating: 7, count: 3 * 300 * 200))
    for index in 0..<3 { try large.write(to: folder.path("frame_\(index).png")) }
    let frames = try VideoFile(path: folder.url.path).keyFrames { $0.resized(width: 8, height: 8) }
    #expect(frames.map(\.image.width) == [8, 8, 8])
    let video = try VideoFile(path: folder.url.path)
    let error = #expect(throws: MediaError.self) { try video.keyFrames(pixelLimit: 150_000) }
    #expect(error?.code == .tooLarge)
    #expect(try video.keyFrames(pixelLimit: 180_000).count == 3)
  }
}
