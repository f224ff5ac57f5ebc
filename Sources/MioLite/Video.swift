import Foundation
import MioMedia

/// Frames of a video in the order of time. A model sees, and makes, key frames.
public struct Video: Hashable, Sendable {
  public var frames: [Image]

  public init(frames: [Image]) { self.frames = frames }

  /// Which frames stand for a video.
  public enum FrameSelection: Hashable, Sendable {
    /// One of each scene.
    case scenes
    /// Evenly spaced ones.
    case uniform
  }

  /// Key frames of an animated GIF, of a folder of images, or of any video that ffmpeg reads, if it is installed.
  ///
  /// - Parameters:
  ///   - url: of the file or folder.
  ///   - maxFrames: most frames that are taken.
  ///   - selection: which they are.
  /// - Throws: `CancellationError` if the task is cancelled, ``MioError`` if it is no video.
  public init(
    contentsOf url: URL, maxFrames: Int = 20, selection: FrameSelection = .scenes
  ) async throws {
    try await self.init(MediaSource(contentsOf: url), maxFrames: maxFrames, selection: selection)
  }

  /// The same, wherever it is read from.
  public init(_ source: MediaSource, maxFrames: Int = 20, selection: FrameSelection = .scenes) async throws {
    guard maxFrames >= 1 else { throw MioError(.invalidInput, "frames: must be 1 or more") }
    self = try await compute { cancellation in
      let frames = try source.videoFile(cancellation).keyFrames(selection.layer, most: maxFrames)
      return Video(frames: frames.map(\.image))
    }
  }
}

extension Video.FrameSelection {
  var layer: VideoFile.Selection {
    switch self {
    case .scenes: .automatic
    case .uniform: .uniform
    }
  }
}

/// Makes an animated GIF, frame by frame, repeating without end.
public struct GIFEncoder: Sendable {
  private var writer: GIFWriter?
  private let millisecondsPerFrame: Int
  private let comment: String

  public init(millisecondsPerFrame: Int, comment: String = "") {
    self.millisecondsPerFrame = millisecondsPerFrame
    self.comment = comment
  }

  /// Adds a frame.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if it does not have the size of the first.
  public mutating func add(_ frame: Image) throws(MioError) {
    var writer =
      self.writer
      ?? {
        var first = GIFWriter(width: frame.width, height: frame.height)
        if !comment.isEmpty { first.addComment(comment) }
        return first
      }()
    guard frame.width == writer.width, frame.height == writer.height else {
      throw MioError(
        .invalidInput, "a frame of \(frame.width) x \(frame.height) pixels in a video of \(writer.width) x \(writer.height)")
    }
    writer.add(frame, milliseconds: millisecondsPerFrame)
    self.writer = writer
  }

  /// The bytes of the file; none without frames.
  public func finish() -> [UInt8] { writer?.finish() ?? [] }
}
