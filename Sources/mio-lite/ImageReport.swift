import Foundation
import MioLite

/// What `inspect` knows of an image: its size, and how it was made if its file says so.
struct ImageReport: Encodable {
  private let file: String
  private let width: Int
  private let height: Int
  private var prompt: String?
  private var seed: UInt64?
  private var steps: Int?
  private var guidance: Double?
  private var sampler: String?
  private var reuse: Int?

  /// Bytes of the largest image that is read.
  private static let limit = 256 << 20

  /// - Returns: nil for a file that is no PNG or JPEG.
  init?(path: String) throws {
    let start = try Files.open(path).read(upToCount: 4).map(Array.init) ?? []
    guard start == [0x89, 0x50, 0x4E, 0x47] || start.starts(with: [0xFF, 0xD8, 0xFF]) else { return nil }
    let bytes = try Input.bytes(of: path, limit: Self.limit)
    let image = try Image(MediaSource(bytes: bytes, name: path), upright: false)
    (file, width, height) = (PathText.shown(path), image.width, image.height)
    guard let origin = ImageOrigin(bytes: bytes) else { return }
    prompt = origin.prompt
    seed = origin.options.sampling.seed
    steps = origin.options.steps
    guidance = origin.options.guidance
    sampler = origin.options.sampler?.rawValue
    reuse = origin.options.reuse
  }

  var text: String {
    let rows: [(String, String?)] = [
      ("size", "\(width) x \(height) pixels"), ("prompt", prompt), ("seed", seed.map { "\($0)" }),
      ("steps", steps.map { "\($0)" }), ("guidance", guidance.map { "\($0)" }), ("sampler", sampler),
      ("reuse", reuse.map { "\($0)" }),
    ]
    let known = rows.compactMap { name, value in
      value.map { "  " + name.padding(toLength: 10, withPad: " ", startingAt: 0) + $0.onOneLine + "\n" }
    }
    return file + "\n" + known.joined() + (prompt == nil ? "  the file does not say how it was made\n" : "")
  }
}
