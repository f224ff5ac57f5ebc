import MioKernels
import MioMedia
import MioModel

/// Codes of sound or of an image.
public enum MediaCodes: Hashable, Sendable, Codable {
  /// `[Q, T]`: a list for each codebook.
  case speech([[Int32]])
  case image([Int32])

  /// Reads lists of numbers, or one list.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let codebooks = try? container.decode([[Int32]].self) {
      self = .speech(codebooks)
    } else {
      self = .image(try container.decode([Int32].self))
    }
  }

  /// Reads an object that has them under "codes", as `mio-lite encode --json` prints it. Memory is in proportion to the text.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if the bytes are no such JSON.
  public init(json: [UInt8]) throws(MioError) {
    guard let codes = CodesText.codes(in: json) else {
      throw MioError(
        .invalidInput,
        "no JSON with \"codes\": [[...] per codebook] or [...] of an image; 'mio-lite encode FILE --json' prints such a file")
    }
    self = codes
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .speech(let codebooks): try container.encode(codebooks)
    case .image(let codes): try container.encode(codes)
    }
  }
}

/// Sound and images as a model's codes, and back.
extension Model {
  /// The codes of sound, at any rate and level.
  ///
  /// - Parameters:
  ///   - audio: at any rate; it is resampled to the model's.
  ///   - codebooks: 1 is what the model hears (content); 4 is what it says (content and timbre).
  /// - Returns: `[codebooks, T]`, 50 frames per second in MIO, each code in 0..<1024.
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` without a speech codec, with
  ///   `.invalidInput` for empty sound or codebooks that the codec does not have.
  public func codes(of audio: Audio, codebooks: Int = 1) async throws -> [[Int32]] {
    try await compute { cancellation in
      let codec = try self.requiredCodec()
      let samples = try audio.resampled(to: codec.config.sampleRateHz).samples
      var rest: [Float]? = samples
      return try self.codes(codebooks, "the sound", cancellation) {
        defer { rest = [] }
        return rest ?? []
      }
    }
  }

  /// The codes of a file of sound or of an image; its first bytes decide. Sound is read as it is encoded, so that memory does
  /// not grow with its length.
  ///
  /// - Parameters:
  ///   - source: the file.
  ///   - codebooks: of sound.
  ///   - upright: whether an image that a camera stored turned is turned back, as it is to be seen; the reference leaves it.
  ///   - transparency: of an image; the reference drops it.
  ///   - note: hears, in words, what is odd about the file.
  /// - Throws: as for sound and images in memory; ``MioError`` with code `.invalidInput` if it is neither.
  public func codes(
    of source: MediaSource, codebooks: Int = 1, upright: Bool = false, transparency: Image.Transparency = .dropped,
    note: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> MediaCodes {
    try await compute { cancellation in
      switch try source.mediaFile(MediaFile.Reading(isUpright: upright, transparency: transparency, note: note)) {
      case .sound(let file):
        var reading = AudioSource(file, sampleRateHz: try self.requiredCodec().config.sampleRateHz)
        return .speech(try self.codes(codebooks, source.name, cancellation) { try reading.next() })
      case .image(let image):
        return .image(try self.lanes.vision.run(cancellation) { try self.codes(of: image, on: $0) })
      case .video:
        throw MioError(.invalidInput, "\(source.name): this is a video; encode its frames one by one")
      }
    }
  }

  /// Codebooks of the speech codec; `nil` if the file has none.
  public var speechCodebookCount: Int? { codec?.config.codebookCount }

  /// The codes of an image of any size: it is scaled to what the model sees, without keeping its proportions, as the reference
  /// does.
  ///
  /// - Returns: 32 codes in MIO, each in 0..<8192.
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` without an image tokenizer.
  public func codes(of image: Image) async throws -> [Int32] {
    try await compute { cancellation in
      try self.lanes.vision.run(cancellation) { try self.codes(of: image, on: $0) }
    }
  }

  /// The sound of codes `[Q, T]`, as ``codes(of:codebooks:)-(Audio,_)`` gives them.
  ///
  /// - Returns: mono sound at the codec's rate, 16 kHz in MIO, 320 samples per frame.
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` without a speech codec, with
  ///   `.invalidInput` if codes are out of range, of unequal length, or none.
  public func audio(from codes: [[Int32]]) async throws -> Audio {
    try await compute { cancellation in
      let codec = try self.requiredCodec()
      guard let first = codes.first, !first.isEmpty else {
        throw MioError(.invalidInput, "there are no codes; give one list of codes per codebook")
      }
      let samples = try self.lanes.codec.run(cancellation) { try codec.decode(codes, on: $0) }
      return Audio(samples: samples, sampleRateHz: codec.config.sampleRateHz)
    }
  }

  /// The image of codes, as ``codes(of:)`` gives them.
  ///
  /// - Parameters:
  ///   - codes: as many as an image has, 32 in MIO.
  ///   - options: of the sampling, only the seed counts.
  ///   - progress: called after every evaluation of the network with its index, counted from 0, and how many there are.
  /// - Throws: `CancellationError` if the task is cancelled; ``MioError`` with code `.unsupported` if the file cannot, with
  ///   `.invalidInput` if codes are out of range or not as many as an image has.
  public func image(
    from codes: [Int32], options: ImageOptions = ImageOptions(),
    progress: @escaping @Sendable (_ index: Int, _ count: Int) -> Void = { _, _ in }
  ) async throws -> Image {
    try await compute { cancellation in
      try ImageDecoding(self, options).image(of: codes, cancellation: cancellation, progress: progress)
    }
  }

  /// The tokens that stand for speech codes `[Q, T]`, or for an image's codes, in a prompt.
  ///
  /// - Throws: ``MioError`` with code `.invalidInput` if a code has no token, with `.unsupported` without a tokenizer.
  public func tokens(ofSpeech codes: [[Int32]]) throws(MioError) -> [Int32] {
    do { return try requiredTokenizer().media.speechTokens(codes.map { $0.map(Int.init) }) } catch { throw MioError(error) }
  }

  /// The same for the codes of an image.
  public func tokens(ofImage codes: [Int32]) throws(MioError) -> [Int32] {
    do { return try requiredTokenizer().media.imageTokens(codes.map(Int.init)) } catch { throw MioError(error) }
  }

  /// - Parameter next: further samples at the codec's rate; none at the end.
  private func codes(
    _ codebooks: Int, _ name: String, _ cancellation: Cancellation, next: () throws -> [Float]
  ) throws -> [[Int32]] {
    let codec = try requiredCodec()
    guard (1...codec.config.codebookCount).contains(codebooks) else {
      throw MioError(.invalidInput, "codebooks: must be 1 to \(codec.config.codebookCount), found \(codebooks)")
    }
    return try lanes.codec.run(cancellation) { context in
      let stream = try SpeechEncoderStream(codec, codebooks: codebooks, on: context)
      var codes = Array(repeating: [Int32](), count: codebooks)
      func append(_ more: [[Int32]]) {
        for (codebook, new) in more.enumerated() { codes[codebook] += new }
      }
      while case let block = try next(), !block.isEmpty {
        for start in stride(from: 0, to: block.count, by: codec.config.sampleRateHz) {
          try cancellation.check()
          append(try stream.push(Array(block[start..<min(start + codec.config.sampleRateHz, block.count)])))
        }
      }
      append(try stream.finish())
      if codes[0].isEmpty { throw MioError(.invalidInput, "\(name): the sound is empty") }
      return codes
    }
  }

  func codes(of image: Image, on context: KernelContext) throws(MioError) -> [Int32] {
    let tokenizer = try requiredImageTokenizer()
    let side = tokenizer.config.imageSize
    do {
      let pixels = try tokenizer.normalized(rgb: image.resized(width: side, height: side).rgb)
      return try tokenizer.encode(pixels: pixels, on: context)
    } catch {
      throw MioError(error)
    }
  }
}
