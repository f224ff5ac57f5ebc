/// What a user brings: words and media, in any order.
public enum InputPart: Sendable {
  /// Words; they can never act as control or media tokens.
  case text(String)
  /// Sound in memory.
  case audio(AudioClip)
  /// A sound file.
  case audioFile(String)
  /// An image in memory.
  case image(ImageClip)
  /// An image file: png, jpg, webp, gif or bmp. An image that a camera stored turned is turned upright.
  case imageFile(String)
  /// Frames of a video in the order of time; each is seen as an image.
  case video([ImageClip])
  /// A video: an animated gif, a folder of images, or any video that ffmpeg reads. Key frames stand for it.
  case videoFile(String)
  /// An image or a video; '-' is standard input. The first bytes decide.
  case visualFile(String)
}

/// What a reply is made of, in the order in which it is made.
public enum OutputPart: Sendable {
  /// A stretch of text, to be shown at once.
  case text(String)
  /// A finished stretch of speech.
  case speech(AudioClip, codes: [[Int32]])
  /// A finished image; only its codes where the model file cannot draw.
  case image(ImageClip?, codes: [Int32])
  /// Something in the reply that could not be rendered, in words.
  case problem(String)
  /// How far the part is that comes next.
  case progress(PartProgress)
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

/// An image of 8-bit red, green and blue, rows from the top.
public struct ImageClip: Hashable, Sendable {
  public let width: Int
  public let height: Int
  /// `[height, width, 3]`.
  public let rgb: [UInt8]

  /// - Precondition: `rgb` has 3 numbers for each of at least one pixel.
  public init(width: Int, height: Int, rgb: [UInt8]) {
    precondition(width > 0 && height > 0 && rgb.count == 3 * width * height, "the numbers do not fill the image")
    self.width = width
    self.height = height
    self.rgb = rgb
  }
}
