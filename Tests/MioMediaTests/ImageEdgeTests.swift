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
    let stills = try Self.all().filter { !$0.key.hasPrefix("later") && !$0.key.hasPrefix("on white") }
    #expect(stills.count == 21)
    for (name, expected) in stills {
      let image = try ImageFile.open(bytes: Array(expected.file), name: name, upright: true)
      #expect(image.width == expected.width && image.height == expected.height, "\(name)")
      #expect(hexadecimal(image) == expected.rgb, "\(name)")
    }
  }

  @Test func `lays transparent images on white where it is asked to`() throws {
    let images = try Self.all().filter { $0.key.hasPrefix("on white") }
    #expect(images.count == 7)
    for (name, expected) in images {
      let image = try ImageFile.open(bytes: Array(expected.file), name: name, transparency: .white)
      #expect(hexadecimal(image) == expected.rgb, "\(name)")
      let dropped = try ImageFile.open(bytes: Array(expected.file), name: name)
      #expect(hexadecimal(dropped) != expected.rgb, "\(name)")
    }
  }

  @Test func `takes an animated WebP for a film`() throws {
    let all = try Self.all()
    let file = Array(try #require(all["an animated WebP"]).file)
    guard case .video(let video) = try MediaFile.openVisual(bytes: file, name: "film.webp") else {
      return #expect(Bool(false), "taken for an image")
    }
    let frames = try video.keyFrames()
    #expect(frames.map { hexadecimal($0.image) } == (0..<3).map { all["later WebP frames, \($0)"]?.rgb ?? "" })
    for length in 0..<file.count {
      do {
        if case .video(let video) = try MediaFile.openVisual(bytes: Array(file[..<length]), name: "film.webp") {
          _ = try video.keyFrames()
        }
      } catch {}
    }
  }

  @Test func `keeps the whole frames of a GIF that is cut off or damaged later`() throws {
    let whole = Array(try #require(try Self.all()["later GIF frames, 0"]).file)
    let expected = try (0..<2).map { try #require(try Self.all()["later GIF frames, \($0)"]).rgb }
    // Within the last frame, and a block of an unknown kind instead of it.
    let third = try #require(whole.indices.last { whole[$0] == 0x2C })
    for file in [Array(whole[..<(third + 15)]), Array(whole[..<(third + 4)]), whole[..<third] + [0x77]] {
      guard case .video(let video) = try MediaFile.openVisual(bytes: file, name: "film.gif") else {
        return #expect(Bool(false), "taken for an image")
      }
      var notes: [String] = []
      let frames = try video.keyFrames(note: { notes.append($0) })
      #expect(frames.map { hexadecimal($0.image) } == expected)
      #expect(notes.count == 1 && notes[0].hasPrefix("film.gif: ") && notes[0].contains("2 frames"), "\(notes)")
    }
    // The mark of the end alone is no loss.
    var notes: [String] = []
    guard case .video(let video) = try MediaFile.openVisual(bytes: whole.dropLast(), name: "film.gif") else { return }
    #expect(try video.keyFrames(note: { notes.append($0) }).count == 3 && notes.isEmpty)
  }

  @Test func `refuses by name what a BMP may be packed with`() throws {
    let bmp = Array(try #require(try Self.all()["a BMP with a small gap"]).file)
    for (compression, word) in [(UInt8(1), "run-length"), (2, "run-length"), (4, "JPEG"), (5, "PNG")] {
      var file = bmp
      file[30] = compression
      let error = #expect(throws: MediaError.self) { try ImageFile.open(bytes: file, name: "a.bmp") }
      #expect(error?.code == .notImage && error?.description.contains(word) == true)
    }
  }

  @Test func `says where a video belongs that is handed over as an image, and the reverse`() throws {
    let film = Array("\0\0\0\u{18}ftypmp42".utf8) + [UInt8](repeating: 0, count: 600)
    let error = #expect(throws: MediaError.self) { try ImageFile.open(bytes: film, name: "film.mp4") }
    #expect(error?.description.contains("as a video") == true)
    let folder = try TemporaryFolder()
    try Image(width: 2, height: 2, rgb: [UInt8](repeating: 9, count: 12)).write(to: folder.path("a.png"))
    let other = #expect(throws: MediaError.self) { try VideoFile(path: folder.path("a.png")) }
    #expect(other?.description.contains("as an image") == true)
  }

  @Test func `lets an animated PNG be read as a film`() throws {
    let folder = try TemporaryFolder()
    try Image(width: 2, height: 2, rgb: [UInt8](repeating: 9, count: 12)).write(to: folder.path("a.png"))
    let png = try Array(Data(contentsOf: folder.url.appendingPathComponent("a.png")))
    func animated(_ frames: UInt8) -> [UInt8] {
      png[..<33] + [0, 0, 0, 8] + Array("acTL".utf8) + [0, 0, 0, frames, 0, 0, 0, 0, 0, 0, 0, 0] + png[33...]
    }
    guard case .video = try MediaFile.openVisual(bytes: animated(2), name: "a.png") else {
      return #expect(Bool(false), "taken for an image")
    }
    guard case .image = try MediaFile.openVisual(bytes: animated(1), name: "a.png") else {
      return #expect(Bool(false), "taken for a film")
    }
    // Where an image is asked for, it is the first.
    #expect(try ImageFile.open(bytes: animated(2), name: "a.png").width == 2)
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
    ("JPEG XL", "djxl", [0xFF, 0x0A, 0x01, 0x02]), ("ICO", "magick", [0, 0, 1, 0, 1, 0]),
    ("camera raw", "darktable-cli", Array("\0\0\0\u{18}ftypcrx \0\0\0\u{1}crx isom".utf8)),
    ("Netpbm", "magick", Array("P6\n2 2\n255\n".utf8)), ("SVG", "rsvg-convert", Array("<?xml version='1.0'?>\n<svg>".utf8)),
    ("PDF", "pdftoppm", Array("%PDF-1.7\n".utf8)), ("QOI", "magick", Array("qoif".utf8)),
  ])
  func `names the format of a still image that is not read, and the way out`(
    format: String, program: String, start: [UInt8]
  ) throws {
    let bytes = start + [UInt8](repeating: 0, count: 400)
    let found = [
      #expect(throws: MediaError.self) { try ImageFile.open(bytes: bytes, name: "photo") },
      #expect(throws: MediaError.self) { try MediaFile.openVisual(bytes: bytes, name: "photo") },
      #expect(throws: MediaError.self) { try MediaFile.open(bytes: bytes, name: "photo") },
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
