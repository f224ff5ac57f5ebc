import Foundation

/// What a user brings: words and media, in any order.
public enum InputPart: Sendable {
  /// Words; they can never act as control or media tokens.
  case text(String)
  /// Sound in memory.
  case audio(Audio)
  /// An image in memory.
  case image(Image)
  /// Frames of a video in the order of time; each is seen as an image.
  case video(Video)
  /// Sound that is read during the call.
  case audioFile(MediaSource)
  /// An image that is read during the call: png, jpg, webp, gif or bmp, turned upright if a camera stored it turned, on white
  /// where it is transparent.
  case imageFile(MediaSource)
  /// A video that is read during the call: an animated gif or webp, a folder of images, or any video that ffmpeg
  /// reads.
  case videoFile(MediaSource)
  /// An image or a video; its first bytes decide.
  case visualFile(MediaSource)
  /// Speech as codes `[Q, T]`, of the content codebook (Q = 1) as ``Model/codes(of:codebooks:)-(Audio,_)`` gives them.
  case speechCodes([[Int32]])
  /// An image as its codes.
  case imageCodes([Int32])

  /// A sound file.
  public static func audio(contentsOf url: URL) -> InputPart { .audioFile(MediaSource(contentsOf: url)) }
  /// An image file.
  public static func image(contentsOf url: URL) -> InputPart { .imageFile(MediaSource(contentsOf: url)) }
  /// A video file, or a folder of images.
  public static func video(contentsOf url: URL) -> InputPart { .videoFile(MediaSource(contentsOf: url)) }
}

/// What a reply is made of, in the order in which it is made.
public enum OutputPart: Sendable {
  /// A stretch of text, to be shown at once.
  case text(String)
  /// A finished stretch of speech.
  case speech(Audio, codes: [[Int32]])
  /// A finished image; only its codes where the model file cannot generate images, or was not asked to.
  case image(Image?, codes: [Int32])
  /// What the image that comes next is going to be: less certain than the image, and only where it is asked for
  /// (``ImageOptions/previews``).
  case preview(Image)
  /// Something that was given and could not be read whole, or in the reply and could not be rendered, in words.
  case problem(String)
  /// How far the part is that comes next. A slow reader may miss some.
  case progress(PartProgress)
  /// The last part: what the reply took, and why it ended.
  case finished(ReplySummary)
}

/// What a reply took, and why it ended.
public struct ReplySummary: Hashable, Sendable {
  /// Tokens by what they stand for.
  public struct TokenCount: Hashable, Sendable {
    /// Words, and what steers the model.
    public internal(set) var text = 0
    public internal(set) var speech = 0
    public internal(set) var image = 0

    public init() {}

    /// Tokens of every kind.
    public var all: Int { text + speech + image }

    public mutating func add(_ other: TokenCount) {
      text += other.text
      speech += other.speech
      image += other.image
    }
  }

  /// Why a reply ended.
  public enum End: String, Sendable {
    /// The model came to an end.
    case complete
    /// As many tokens as were allowed (``Sampling/maxTokens``), or as the context holds.
    case length
  }

  public internal(set) var prompt = TokenCount()
  public internal(set) var reply = TokenCount()
  public internal(set) var end = End.complete
}

/// How far something that was given, an image, or a stretch of speech is on its way.
public struct PartProgress: Hashable, Sendable {
  public enum Kind: String, Sendable {
    /// Something that was given is being looked at or listened to.
    case input
    case image, speech
  }

  public let kind: Kind
  /// Number among its kind in this turn, from 1.
  public let number: Int
  /// 0...1.
  public let fraction: Double
  /// What is being done, in a few words.
  public let detail: String
}

/// The parts of a reply as they are made.
public typealias PartStream = ModelStream<OutputPart>
