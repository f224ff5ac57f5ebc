import MioConverter
import MioFormat
import MioLite
import MioMedia
import MioModel
import MioServer

/// The parsers that read bytes from outside, each under a name. Whatever the bytes are: a result or a typed error, in bounded time
/// and memory.
package enum FuzzTarget: String, CaseIterable, Sendable {
  case directory, blob, tokenizer, json, codes, safetensors, torch, sentencepiece, gif, image, webp, sound, stream, form, chat,
    wyoming

  /// Most pixels of an image that is decoded here; the program reads more.
  private static let pixelLimit = 1 << 18

  package func run(_ bytes: [UInt8]) {
    switch self {
    case .directory: FormatParsers.directory(bytes)
    case .blob:
      guard bytes.count >= 2 else { return }
      let stated = Int(bytes[0]) | Int(bytes[1]) << 8
      FormatParsers.blob(Array(bytes.dropFirst(2)), contentByteCount: stated)
    case .tokenizer: Self.readTokenizer(bytes)
    case .json: CheckpointParsers.json(bytes)
    case .codes: _ = try? MediaCodes(json: bytes)
    case .safetensors: CheckpointParsers.safetensors(bytes)
    case .torch: CheckpointParsers.torch(bytes)
    case .sentencepiece: CheckpointParsers.sentencePiece(bytes)
    case .gif, .image, .webp: Self.readImage(bytes)
    case .sound: Self.readSound(bytes)
    case .stream: Self.readStream(bytes)
    case .form: RequestParsers.form(bytes)
    case .chat: RequestParsers.chat(bytes)
    case .wyoming: RequestParsers.wyoming(bytes)
    }
  }

  private static func readTokenizer(_ bytes: [UInt8]) {
    guard let tokenizer = try? TextTokenizer(parsing: bytes) else { return }
    for text in ["Hello, world.", "\u{FFFD}\u{1F600} <spch1></s>"] {
      for isTrusted in [true, false] {
        guard let ids = try? tokenizer.encode(text, trusted: isTrusted) else { continue }
        _ = try? tokenizer.decode(ids)
        _ = tokenizer.plainText(of: ids)
      }
    }
    let ids = (0..<Int32(min(tokenizer.idCount, 300))).map { $0 }
    for id in ids { _ = try? tokenizer.decode([id], skippingSpecials: id % 2 == 0) }
    _ = tokenizer.plainText(of: ids)
  }

  private static func readImage(_ bytes: [UInt8]) {
    let isGIF = bytes.starts(with: Array("GIF8".utf8)) && bytes.count > 9
    let size =
      isGIF
      ? (width: Int(bytes[6]) | Int(bytes[7]) << 8, height: Int(bytes[8]) | Int(bytes[9]) << 8)
      : try? ImageFile.size(of: bytes, name: "fuzz")
    guard let size, size.width * size.height <= pixelLimit else { return }
    // Frames that stick out make the canvas larger: by more than is tried here, or not.
    if isGIF {
      do {
        var reader = try GIFReader(bytes, name: "fuzz", transparency: .white, pixelLimit: pixelLimit)
        for _ in 0..<16 where try reader.next() == nil { break }
      } catch {
        if error.code == .tooLarge { return }
      }
    }
    for transparency in Image.Transparency.allCases {
      _ = try? ImageFile.open(bytes: bytes, name: "fuzz", upright: true, transparency: transparency)
    }
    guard case .video(let video) = try? MediaFile.openVisual(bytes: bytes, name: "fuzz") else { return }
    _ = try? video.keyFrames(most: 3, scaled: { $0.resized(width: 4, height: 4) })
  }

  private static func readSound(_ bytes: [UInt8]) {
    guard let file = try? AudioFile.open(bytes: bytes, name: "fuzz") else { return }
    for _ in 0..<8 { guard let block = try? file.read(maximumFrames: 4096), !block.isEmpty else { return } }
  }

  /// The first byte says how many come at a time; however many do, the samples are the same.
  private static func readStream(_ bytes: [UInt8]) {
    guard let width = bytes.first else { return }
    let sound = Array(bytes.dropFirst())
    func samples(by width: Int) throws -> [Float] {
      var stream = WaveStream(plain: WaveStream.Format(sampleRateHz: 16_000, channelCount: 1), name: "fuzz")
      var samples: [Float] = []
      for start in stride(from: 0, to: sound.count, by: width) {
        samples += try stream.samples(of: Array(sound[start..<min(start + width, sound.count)]))
      }
      return try samples + stream.finish()
    }
    let (pieces, whole) = (try? samples(by: 1 + Int(width)), try? samples(by: max(1, sound.count)))
    precondition(pieces == whole, "pieces of \(1 + Int(width)) bytes give other samples")
  }
}
