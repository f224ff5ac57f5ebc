import Foundation
import MioTestSupport
import Testing

/// What small files may cost: the built program with so much address space and no more.
@Suite struct MemoryTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// - Parameter megabytes: of address space; some hundred are taken by the program, its threads and the model.
  private func run(_ arguments: [String], megabytes: Int) throws -> Program.Result {
    try Program.run(
      ["-c", "ulimit -v \(megabytes * 1024); exec \"$@\"", "sh", Program.path] + arguments + ["-q", "-t", "1"],
      program: "/bin/sh", in: folder.url)
  }

  private func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try Data(bytes).write(to: folder.url.appendingPathComponent(name))
    return name
  }

  private func look(_ name: String, megabytes: Int) throws -> Program.Result {
    try run(
      ["describe", name, "-m", try PackedModel.whole, "--greedy", "--max-tokens", "2"], megabytes: megabytes)
  }

  private static func big(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

  /// A PNG whose numbers are all zero.
  private func png(_ width: Int, _ height: Int, color: UInt8, bits: UInt8, channels: Int) -> [UInt8] {
    func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
      // The checksum is not looked at.
      Self.big(content.count) + Array(name.utf8) + content + [0, 0, 0, 0]
    }
    let header = Self.big(width) + Self.big(height) + [bits, color, 0, 0, 0]
    let count = height * (1 + (width * channels * Int(bits) + 7) / 8)
    return [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10] + chunk("IHDR", header) + chunk("IDAT", Self.zeros(count))
      + chunk("IEND", [])
  }

  /// A zlib stream of so many zeros: one, then repetitions of 258 in fixed codes.
  private static func zeros(_ count: Int) -> [UInt8] {
    var stream: [UInt8] = [0x78, 0x9C]
    var (bits, bitCount) = (UInt64(0), 0)
    func put(_ value: UInt64, _ width: Int) {
      bits |= value << bitCount
      bitCount += width
      while bitCount >= 8 {
        stream.append(UInt8(truncatingIfNeeded: bits))
        bits >>= 8
        bitCount -= 8
      }
    }
    put(0b011, 3)
    for _ in 0...((count - 1) % 258) { put(0b00001100, 8) }  // the literal 0
    for _ in 0..<(count - 1) / 258 { put(0b10100011, 13) }  // 258 from a distance of 1
    put(0, 7)
    put(0, 7)
    return stream + [0, 0, 0, 1]
  }

  @Test(
    arguments: [
      ("gray of one bit", 0, 1, 1, 900), ("gray of 16 bits", 0, 16, 1, 1000), ("colors", 2, 8, 3, 1100),
      ("alpha of 16 bits", 6, 16, 4, 2100),
    ] as [(String, UInt8, UInt8, Int, Int)])
  func `an image of 100 million pixels in a small PNG`(
    _ name: String, _ color: UInt8, _ bits: UInt8, _ channels: Int, _ megabytes: Int
  ) throws {
    let file = try write(png(10_000, 10_000, color: color, bits: bits, channels: channels), "large.png")
    let result = try look(file, megabytes: megabytes)
    #expect(result.status == 0, "\(name): \(result.notes)")
  }

  @Test func `an animation of frames that show 100 million pixels and have one`() throws {
    let frame: [UInt8] = [0x21, 0xF9, 4, 0x0C, 5, 0, 0, 0, 0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0]
    let head = Array("GIF89a".utf8) + [0x10, 0x27, 0x10, 0x27, 0x80, 0, 0, 1, 2, 3, 4, 5, 6]
    let file = try write(head + Array(repeating: frame, count: 4).flatMap { $0 } + [0x3B], "large.gif")
    let result = try look(file, megabytes: 1500)
    #expect(result.status == 0, "\(result.notes)")
  }

  @Test func `a lossless WebP of 100 million pixels in 300 bytes`() throws {
    // A header of 14 bits for each side less one, no transforms, and codes of a single symbol, which take no bits.
    var (bits, bitCount) = ([UInt8](), 0)
    func put(_ value: Int, _ width: Int) {
      for bit in 0..<width {
        if bitCount % 8 == 0 { bits.append(0) }
        bits[bits.count - 1] |= UInt8(value >> bit & 1) << UInt8(bitCount % 8)
        bitCount += 1
      }
    }
    put(0x2F, 8)
    put(9_999, 14)
    put(9_999, 14)
    put(0, 4)  // no alpha, version 0
    put(0, 3)  // no transform, no cache, one group of codes
    for _ in 0..<5 {
      put(1, 1)  // a simple code
      put(0, 1)  // of one symbol
      put(0, 1)  // of one bit
      put(0, 1)
    }
    let chunk = bits + Array(repeating: 0, count: bits.count % 2)
    let length = (0..<4).map { UInt8(truncatingIfNeeded: bits.count >> (8 * $0)) }
    let riff = (0..<4).map { UInt8(truncatingIfNeeded: (chunk.count + 12) >> (8 * $0)) }
    let file = try write(
      Array("RIFF".utf8) + riff + Array("WEBPVP8L".utf8) + length + chunk, "large.webp")
    let result = try look(file, megabytes: 1500)
    #expect(result.status == 0, "\(result.notes)")
  }

  @Test(arguments: ["image", "codebook", "depth"]) func `codes of 16 MB`(_ kind: String) throws {
    let numbers = String(repeating: "1,", count: 8_000_000) + "1"
    let text =
      switch kind {
      case "image": "{\"codes\":[\(numbers)]}"
      case "codebook": "{\"ids\":[\(numbers)],\"codes\":[[]]}"
      default: "{\"codes\":" + String(repeating: "[", count: 16_000_000)
      }
    let file = try write(Array(text.utf8), "codes.json")
    let result = try run(["decode", file, "-o", "out.png", "-m", try PackedModel.whole, "--seed", "1"], megabytes: 500)
    #expect(result.status == 2 && result.notes.hasPrefix("mio-lite: "), "\(result.notes)")
    #expect(result.notes.count < 400)
  }

  @Test func `a device without end, wherever a file is read`() throws {
    for arguments in [
      ["describe", "/dev/zero"], ["encode", "/dev/urandom"], ["chat", "hello", "--image", "/dev/zero"],
      ["chat", "hello", "--video", "/dev/urandom"], ["decode", "/dev/zero", "-o", "out.wav"], ["asr", "/dev/zero"],
    ] {
      let result = try run(arguments + ["-m", try PackedModel.whole], megabytes: 1000)
      #expect(result.status == 2 && result.notes.hasPrefix("mio-lite: /dev/"), "\(arguments): \(result.notes)")
    }
    #expect(folder.contents == [])
  }
}
