import Foundation
import MioFiles
import MioMedia

/// An image of 8-bit red, green and blue, rows from the top.
public typealias Image = MioMedia.Image

extension Image {
  /// The forms in which images are written.
  public enum Format: String, CaseIterable, Sendable {
    case png, jpeg
  }

  /// Reads an image file: PNG, JPEG, WebP, BMP or GIF (its first frame).
  ///
  /// - Parameters:
  ///   - url: of the file.
  ///   - upright: whether an image that a camera stored turned is turned back.
  /// - SeeAlso: ``MediaSource/transparency``, which is white.
  public init(contentsOf url: URL, upright: Bool = true) throws(MioError) {
    try self.init(MediaSource(contentsOf: url), upright: upright)
  }

  /// The same for a file in memory.
  public init(bytes: [UInt8], upright: Bool = true) throws(MioError) {
    try self.init(MediaSource(bytes: bytes, name: "image"), upright: upright)
  }

  /// The same, wherever it is read from.
  public init(_ source: MediaSource, upright: Bool = true) throws(MioError) {
    do throws(MediaError) { self = try source.image(upright: upright) } catch { throw MioError(error) }
  }

  /// Writes a file that appears when it is complete.
  ///
  /// - Parameters:
  ///   - url: of the file, which is replaced if it is there.
  ///   - format: `nil` takes the one that the suffix names: .png or .jpg.
  ///   - origin: prompt, seed and settings, written into the file: a PNG's texts, a JPEG's comment.
  public func write(to url: URL, format: Format? = nil, origin: ImageOrigin? = nil) throws(MioError) {
    do {
      let format = try format ?? Format(suffixOf: url)
      try AtomicFile.write(try encoded(as: format.layer, notes: origin?.notes(of: self)), to: url.relativePath)
    } catch let error as AtomicFileError {
      throw MioError(.failed, "\(url.relativePath): \(error.message)")
    } catch {
      throw MioError(error)
    }
  }

  /// The bytes of a file.
  public func encoded(as format: Format = .png, origin: ImageOrigin? = nil) throws(MioError) -> [UInt8] {
    do { return try encoded(as: format.layer, notes: origin?.notes(of: self)) } catch { throw MioError(error) }
  }
}

extension Image.Format {
  /// The format that the suffix of a file names: .png, .jpg or .jpeg.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` for any other.
  public init(suffixOf url: URL) throws(MioError) {
    do {
      switch try ImageFormat(path: url.relativePath) {
      case .png: self = .png
      case .jpeg: self = .jpeg
      }
    } catch {
      throw MioError(error)
    }
  }

  var layer: ImageFormat {
    switch self {
    case .png: .png
    case .jpeg: .jpeg
    }
  }
}

/// How an image was made, for the file in which it is kept.
public struct ImageOrigin: Hashable, Sendable {
  /// The words that asked for it.
  public var prompt: String
  /// How it was drawn, as ``Model/resolved(_:)`` has it.
  public var options: ImageOptions

  public init(prompt: String, options: ImageOptions) {
    self.prompt = prompt
    self.options = options
  }

  /// Prompt and settings in one text, as image programs read it.
  public var summary: String { prompt + "\n" + settings.joined(separator: ", ") }

  private var settings: [String] {
    [
      options.steps.map { "Steps: \($0)" }, options.sampler.map { "Sampler: \($0.rawValue)" },
      options.guidance.map { "CFG scale: \($0)" }, options.sampling.seed.map { "Seed: \($0)" },
      options.reuse > 1 ? "Reuse: \(options.reuse)" : nil,
    ].compactMap { $0 }
  }

  /// The words of the file, in the form that programs for generated images read.
  func notes(of image: Image) -> ImageNotes {
    ImageNotes(
      description: prompt, parameters: summary + ", Size: \(image.width)x\(image.height)", software: "mio-lite")
  }
}

extension ImageOrigin {
  /// What the file of an image says; `nil` if it says nothing, or speaks of settings that are none of this library.
  public init?(bytes: [UInt8]) {
    guard let text = ImageNotes.parameters(in: bytes),
      let end = text.range(of: "\nSteps: ", options: .backwards), let options = ImageOptions(summary: text[end.upperBound...])
    else { return nil }
    self.init(prompt: String(text[..<end.lowerBound]), options: options)
  }
}

extension ImageOptions {
  /// - Parameter summary: what follows "Steps: " in the words of ``ImageOrigin/summary``.
  fileprivate init?(summary: Substring) {
    var values = ["Steps": ""]
    for entry in ("Steps: " + summary).components(separatedBy: ", ") {
      let parts = entry.components(separatedBy: ": ")
      if parts.count == 2 { values[parts[0]] = parts[1] }
    }
    guard let steps = values["Steps"].flatMap(Int.init), let sampler = values["Sampler"].flatMap(Sampler.init),
      let guidance = values["CFG scale"].flatMap(Double.init)
    else { return nil }
    self.init(
      sampling: Sampling(seed: values["Seed"].flatMap(UInt64.init)), steps: steps, guidance: guidance,
      size: values["Size"].flatMap { Int($0.prefix { $0 != "x" }) }, sampler: sampler,
      reuse: values["Reuse"].flatMap(Int.init) ?? 1)
  }
}
