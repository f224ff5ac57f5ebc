import MioKernels
import MioMedia
import MioModel

/// What a user brings, on its way to tokens.
struct PartReader {
  private let model: Model
  private let cancellation: Cancellation
  private let tokenizer: TextTokenizer
  private let maxFrames: Int
  private let selection: VideoFile.Selection
  private let report: (PartProgress) -> Void

  /// Seconds of sound that are read at most: more than any context holds.
  private static let longestSound = 600

  init(
    _ model: Model, _ cancellation: Cancellation, maxFrames: Int = VideoFile.maxKeyFrames,
    selection: VideoFile.Selection = .automatic, report: @escaping (PartProgress) -> Void = { _ in }
  ) throws(MioError) {
    self.model = model
    self.cancellation = cancellation
    tokenizer = try model.requiredTokenizer()
    self.maxFrames = maxFrames
    self.selection = selection
    self.report = report
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
      if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
      switch part {
      case .text(let text): append(text, to: &content)
      case .audio(let clip): append(speech: try tokens(of: clip), to: &content)
      case .audioFile(let path): append(speech: try tokens(ofSound: path), to: &content)
      case .image(let clip): try append([clip.image], to: &content)
      case .imageFile(let path): try append([ImageClip(path: path).image], to: &content)
      case .video(let clips):
        content.hasVideo = true
        try append(clips.map(\.image), to: &content)
      case .videoFile(let path):
        content.hasVideo = true
        try append(frames(VideoFile(path: path, isCancelled: { [cancellation] in cancellation.isCancelled })), to: &content)
      case .visualFile(let path):
        switch try MediaFile.openVisual(path: path, isCancelled: { [cancellation] in cancellation.isCancelled }) {
        case .image(let image): try append([image], to: &content)
        case .video(let video):
          content.hasVideo = true
          try append(frames(video), to: &content)
        case .sound: throw MioError(.invalidInput, "\(path): this is sound; hand it over as sound")
        }
      }
    }
    return content
  }

  private func frames(_ video: VideoFile) throws(MediaError) -> [Image] {
    try video.keyFrames(selection, most: maxFrames).map(\.image)
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
      report(
        PartProgress(
          kind: .input, number: index + 1, fraction: Double(index) / Double(images.count),
          detail: "looking at image \(index + 1) of \(images.count)"))
      if cancellation.isCancelled { throw MioError(.cancelled, "cancelled") }
      let codes = try model.lanes.vision.run(cancellation) { try model.codes(of: image, on: $0) }
      let ids = try tokenizer.media.imageTokens(codes.map(Int.init))
      content.images.append(.tokens(ids))
      content.parts.append(.tokens(ids))
    }
    content.hasImages = content.hasImages || !images.isEmpty
  }

  private func tokens(ofSound path: String) throws -> [Int32] {
    let codec = try model.requiredCodec()
    let file = path == "-" ? try AudioFile.open(descriptor: 0, name: "standard input") : try AudioFile.open(path: path)
    var source = AudioSource(file, sampleRateHz: codec.config.sampleRateHz)
    let samples = try source.readAll(maximumSamples: Self.longestSound * codec.config.sampleRateHz)
    return try tokens(of: AudioClip(samples: samples, sampleRateHz: codec.config.sampleRateHz))
  }

  private func tokens(of clip: AudioClip) throws -> [Int32] {
    let codec = try model.requiredCodec()
    let rate = codec.config.sampleRateHz
    guard Resampler.supportedRates.contains(clip.sampleRateHz) else {
      throw MioError(.invalidInput, "the sound has \(clip.sampleRateHz) samples per second; \(Resampler.supportedRates) are supported")
    }
    let samples = clip.sampleRateHz == rate ? clip.samples
      : Resampler.resample(clip.samples, from: clip.sampleRateHz, to: rate)
    guard !samples.isEmpty else { throw MioError(.invalidInput, "the sound is empty") }
    let codes = try model.lanes.codec.run(cancellation) { try codec.encode(samples, codebooks: 1, on: $0) }
    return try tokenizer.media.speechTokens(codes.map { $0.map(Int.init) })
  }
}
