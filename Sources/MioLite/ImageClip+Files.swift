import MioMedia

/// How an image was made, for the file in which it is kept.
public struct ImageOrigin: Hashable, Sendable {
  /// The words that asked for it.
  public var prompt: String
  /// How it was drawn.
  public var options: ImageOptions

  public init(prompt: String, options: ImageOptions) {
    self.prompt = prompt
    self.options = options
  }
}

extension ImageClip {
  /// Reads an image file; '-' is standard input.
  ///
  /// - Parameter upright: whether an image that a camera stored turned is turned back.
  public init(path: String, upright: Bool = true) throws(MioError) {
    do throws(MediaError) {
      self.init(
        path == "-" ? try ImageFile.open(descriptor: 0, name: "standard input", upright: upright)
          : try ImageFile.open(path: path, upright: upright))
    } catch {
      throw MioError(error)
    }
  }

  init(_ image: Image) { self.init(width: image.width, height: image.height, rgb: image.rgb) }

  package var image: Image { Image(width: width, height: height, rgb: rgb) }

  /// Writes a file that appears when it is complete; the suffix, .png or .jpg, names the format.
  ///
  /// - Parameter origin: prompt, seed and settings, written into the file: a PNG's texts, a JPEG's comment.
  public func write(to path: String, origin: ImageOrigin? = nil) throws(MioError) {
    do { try image.write(to: path, notes: origin?.notes(of: self)) } catch { throw MioError(error) }
  }

  /// The bytes of a PNG or JPEG file.
  public func encoded(asJPEG: Bool = false, origin: ImageOrigin? = nil) throws(MioError) -> [UInt8] {
    do {
      return try image.encoded(as: asJPEG ? .jpeg : .png, notes: origin?.notes(of: self))
    } catch {
      throw MioError(error)
    }
  }
}

extension ImageOrigin {
  /// Prompt and settings in one text, as image programs read it.
  public var summary: String { prompt + "\n" + settings.joined(separator: ", ") }

  private var settings: [String] {
    ["Steps: \(options.steps)", "Sampler: \(options.sampler.rawValue)", "CFG scale: \(options.guidance)"]
      + (options.sampling.seed.map { ["Seed: \($0)"] } ?? []) + (options.reuse > 1 ? ["Reuse: \(options.reuse)"] : [])
  }

  /// The words of the file, in the form that programs for generated images read.
  func notes(of clip: ImageClip) -> ImageNotes {
    ImageNotes(
      description: prompt, parameters: summary + ", Size: \(clip.width)x\(clip.height)", software: "mio-lite")
  }
}

/// An animated GIF in the making, repeating without end.
public struct Animation: Sendable {
  private var writer: GIFWriter?
  private let millisecondsPerFrame: Int
  private let comment: String

  public init(millisecondsPerFrame: Int, comment: String = "") {
    self.millisecondsPerFrame = millisecondsPerFrame
    self.comment = comment
  }

  /// Adds a frame; all have the size of the first.
  public mutating func add(_ clip: ImageClip) {
    var writer = self.writer ?? {
      var first = GIFWriter(width: clip.width, height: clip.height)
      if !comment.isEmpty { first.addComment(comment) }
      return first
    }()
    writer.add(clip.image, milliseconds: millisecondsPerFrame)
    self.writer = writer
  }

  /// The bytes of the file; none without frames.
  public func finish() -> [UInt8] { writer?.finish() ?? [] }
}

extension ImageClip {
  /// The images side by side in rows, with a margin between them.
  public static func contactSheet(_ clips: [ImageClip], columns: Int? = nil, margin: Int = 8) -> ImageClip? {
    guard let first = clips.first else { return nil }
    let perRow = columns ?? Int(Double(clips.count).squareRoot().rounded(.up))
    // Cells of at most 256 columns keep the sheet small enough to look at.
    let width = min(first.width, 256)
    let height = max(1, first.height * width / first.width)
    let rows = (clips.count + perRow - 1) / perRow
    let (sheetWidth, sheetHeight) = (perRow * (width + margin) + margin, rows * (height + margin) + margin)
    var rgb = [UInt8](repeating: 255, count: 3 * sheetWidth * sheetHeight)
    for (index, clip) in clips.enumerated() {
      let cell = clip.image.resized(width: width, height: height)
      let (left, top) = (margin + index % perRow * (width + margin), margin + index / perRow * (height + margin))
      for row in 0..<height {
        let target = 3 * ((top + row) * sheetWidth + left)
        rgb.replaceSubrange(target..<target + 3 * width, with: cell.rgb[3 * row * width..<3 * (row + 1) * width])
      }
    }
    return ImageClip(width: sheetWidth, height: sheetHeight, rgb: rgb)
  }

  /// The image at another size.
  public func resized(width: Int, height: Int) -> ImageClip {
    ImageClip(image.resized(width: width, height: height))
  }
}
