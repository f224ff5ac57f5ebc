import Foundation
import MioFormat
import MioMedia
import MioTestSupport
import Testing

/// Animated GIFs, read and written.
@Suite struct AnimationTests {
  private struct Expected: Decodable {
    struct Frame: Decodable {
      let sha256: String
      let duration: Double
    }

    let frames: [Frame]?
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: Goldens.root.appendingPathComponent("image-kinds/\(name)")))
  }

  private func frames(_ bytes: [UInt8]) throws -> [GIFReader.Frame] {
    var reader = try GIFReader(bytes, name: "film.gif")
    var frames: [GIFReader.Frame] = []
    while let frame = try reader.next() { frames.append(frame) }
    return frames
  }

  @Test(arguments: ["palette.gif", "animated.gif", "interlaced.gif", "disposal.gif"])
  func `shows the frames that Pillow shows`(name: String) throws {
    let list = try JSONDecoder().decode(
      [String: Expected].self, from: Data(contentsOf: Goldens.root.appendingPathComponent("image-kinds/expected.json")))
    let expected = try #require(list[name]?.frames)
    let found = try frames(bytes(name))
    #expect(found.map { Digest(of: $0.image.rgb).description } == expected.map(\.sha256))
    #expect(found.map { Double($0.milliseconds) } == expected.map(\.duration))
  }

  private func image(_ phase: Int, width: Int = 61, height: Int = 47) -> Image {
    var rgb: [UInt8] = []
    for row in 0..<height {
      for column in 0..<width {
        rgb += [UInt8((column * 4 + phase * 9) & 255), UInt8(row * 5 & 255), UInt8((row + column + 40 * phase) & 255)]
      }
    }
    return Image(width: width, height: height, rgb: rgb)
  }

  @Test func `reads what it writes, with colors close to the image's`() throws {
    let images = (0..<4).map { image($0) }
    var writer = GIFWriter(width: 61, height: 47)
    writer.addComment(String(repeating: "a long comment ", count: 40))
    for image in images { writer.add(image, milliseconds: 120) }
    let found = try frames(writer.finish())
    #expect(found.count == 4 && found.allSatisfy { $0.milliseconds == 120 })
    for (frame, image) in zip(found, images) {
      let sum = zip(frame.image.rgb, image.rgb).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
      #expect(Double(sum) / Double(image.rgb.count) < 8)
    }
  }

  @Test func `packs codes of every width and starts its table anew`() throws {
    // Noise fills the table of 4096 codes several times.
    var state: UInt32 = 1
    let noise = (0..<3 * 300 * 200).map { _ -> UInt8 in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24) & 0xE0
    }
    for image in [Image(width: 300, height: 200, rgb: noise), Image(width: 1, height: 1, rgb: [1, 2, 3])] {
      var writer = GIFWriter(width: image.width, height: image.height)
      writer.add(image, milliseconds: 10)
      let found = try frames(writer.finish())
      #expect(found.count == 1 && found[0].image.width == image.width)
    }
  }

  @Test(arguments: ["disposal.gif", "interlaced.gif", "animated.gif"])
  func `survives whatever is changed in it`(name: String) throws {
    let whole = try bytes(name)
    var random = Numbers(state: 7)
    for _ in 0..<4000 {
      var damaged = whole
      for _ in 0...random.next(3) { damaged[random.next(damaged.count)] = UInt8(random.next(256)) }
      if random.next(4) == 0 { damaged.removeLast(random.next(damaged.count)) }
      do { _ = try ImageFile.open(bytes: damaged, name: name) } catch {}
      guard damaged.starts(with: Array("GIF8".utf8)) else { continue }
      do { _ = try frames(damaged) } catch is MediaError {}
    }
  }

  /// A generator that gives the same numbers everywhere.
  private struct Numbers {
    var state: UInt64

    mutating func next(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % count
    }
  }

  @Test func `gives a frame or a typed error for every file that is cut off or damaged`() throws {
    let whole = try bytes("disposal.gif")
    for length in 0..<whole.count {
      #expect(throws: Never.self) {
        do { _ = try frames(Array(whole[..<length])) } catch is MediaError {}
      }
    }
    for position in whole.indices {
      var damaged = whole
      damaged[position] ^= 0x3D
      #expect(throws: Never.self) {
        do { _ = try frames(damaged) } catch is MediaError {}
      }
    }
  }
}
