import MioKernels
import MioMedia
import MioModel

/// What a user brings, on its way to tokens.
struct PartReader {
  private let model: Model
  private let outlet: Outlet<OutputPart>
  private let tokenizer: TextTokenizer
  private let maxFrames: Int
  private let selection: VideoFile.Selection

  /// Seconds of sound that are read at most: more than any context holds.
  private static let longestSound = 600

  init(
    _ model: Model, _ outlet: Outlet<OutputPart>, maxFrames: Int = VideoFile.maxKeyFrames,
    selection: VideoFile.Selection = .automatic
  ) throws(MioError) {
    self.model = model
    self.outlet = outlet
    tokenizer = try model.requiredTokenizer()
    self.maxFrames = maxFrames
    self.selection = selection
  }

  /// Everything in its order, and by kind.
  struct Content {
    var parts = Prompt()
    var text = Prompt()
    var images = Prompt()
    var speech = Prompt()
    var hasText = false
    var hasImages = false
    var hasSpeech = false
    var hasVideo = false
  }

  func prompt(_ parts: [InputPart]) throws -> Content {
    var content = Content()
    for part in parts {
      try cancellation.check()
      switch part {
      case .text(let text): append(text, to: &content)
      case .audio(let audio): append(speech: try tokens(of: audio), to: &content)
      case .audioFile(let source): append(speech: try tokens(ofSound: source), to: &content)
      case .image(let image): try append([image], to: &content)
      case .imageFile(let source): try append([source.image(upright: true)], to: &content)
      case .video(let video):
        content.hasVideo = true
        try append(video.frames, to: &content)
      case .videoFile(let source):
        content.hasVideo = true
        try append(frames(source.videoFile(cancellation)), to: &content)
      case .visualFile(let source):
        switch try source.visualFile(cancellation) {
        case .image(let image): try append([image], to: &content)
        case .video(let video):
          content.hasVideo = true
          try append(frames(video), to: &content)
        case .sound: throw MioError(.invalidInput, "\(source.name): this is sound; hand it over as sound")
        }
      case .speechCodes(let codes):
        guard codes.first?.isEmpty == false else { throw MioError(.invalidInput, "the speech has no codes") }
        append(speech: try model.tokens(ofSpeech: codes), to: &content)
      case .imageCodes(let codes): append(image: try imageTokens(codes), to: &content)
      }
    }
    return content
  }

  private func frames(_ video: VideoFile) throws -> [Image] {
    // At the size that the network sees, so that many large frames do not fill the memory.
    let side = try model.requiredImageTokenizer().config.imageSize
    var notes: [String] = []
    let frames = try video.keyFrames(
      selection, most: maxFrames, scaled: { $0.resized(width: side, height: side) }, note: { notes.append($0) })
    for note in notes { try outlet.yield(.problem(note)) }
    return frames.map(\.image)
  }

  private func append(_ text: String, to content: inout Content) {
    // A space between two texts, as between words of a sentence.
    let separator = content.hasText ? Prompt.untrusted(" ") : Prompt()
    content.text.append(separator + .untrusted(text))
    content.parts.append(.untrusted(text))
    content.hasText = content.hasText || !text.isEmpty
  }

  private func append(speech ids: [Int32], to content: inout Content) {
    content.speech.append(.tokens(ids))
    content.parts.append(.tokens(ids))
    content.hasSpeech = true
  }

  private func append(_ images: [Image], to content: inout Content) throws {
    for (index, image) in images.enumerated() {
      outlet.offer(
        .progress(
          PartProgress(
            kind: .input, number: index + 1, fraction: Double(index) / Double(images.count),
            detail: "looking at image \(index + 1) of \(images.count)")))
      let codes = try model.lanes.vision.run(cancellation) { try model.codes(of: image, on: $0) }
      append(image: try imageTokens(codes), to: &content)
    }
  }

  private func append(image ids: [Int32], to content: inout Content) {
    content.images.append(.tokens(ids))
    content.parts.append(.tokens(ids))
    content.hasImages = true
  }

  private func imageTokens(_ codes: [Int32]) throws(MioError) -> [Int32] {
    guard codes.count == MediaTokens.imageLength else {
      throw MioError(.invalidInput, "an image of \(codes.count) codes; there are \(MediaTokens.imageLength)")
    }
    return try model.tokens(ofImage: codes)
  }

  private var cancellation: Cancellation { outlet.cancellation }

  private func report(_ remarks: [String]) {
    for remark in remarks {
      outlet.offer(.progress(PartProgress(kind: .input, number: 1, fraction: 0, detail: remark)))
    }
  }

  private func tokens(ofSound source: MediaSource) throws -> [Int32] {
    let rate = try model.requiredCodec().config.sampleRateHz
    let file = try source.audioFile()
    report(try file.prepareForListening())
    var reading = AudioSource(file, sampleRateHz: rate)
    return try tokens(ofHeard: reading.readAll(maximumSamples: Self.longestSound * rate))
  }

  private func tokens(of audio: Audio) throws -> [Int32] {
    let prepared = Listening.prepared(audio)
    report(prepared.remarks)
    return try tokens(ofHeard: prepared.audio.resampled(to: model.requiredCodec().config.sampleRateHz).samples)
  }

  private func tokens(ofHeard samples: [Float]) throws -> [Int32] {
    let codec = try model.requiredCodec()
    guard !samples.isEmpty else { throw MioError(.invalidInput, "the sound is empty") }
    let gain = try model.speechLevel.gain(for: samples, sampleRateHz: codec.config.sampleRateHz)
    if gain.factor != 1 { report([Listening.words(gain.decibels)]) }
    let samples = gain.factor == 1 ? samples : samples.map { $0 * gain.factor }
    let codes = try model.lanes.codec.run(cancellation) { try codec.encode(samples, codebooks: 1, on: $0) }
    return try model.tokens(ofSpeech: codes)
  }
}
