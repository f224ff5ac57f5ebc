import MioLite
import NIOCore

/// A conversation with a Wyoming client: speech to text and text to speech.
final class WyomingSession: Sendable {
  private let service: Service
  private let channel: any Channel

  init(_ service: Service, _ channel: any Channel) { (self.service, self.channel) = (service, channel) }

  /// What was heard since audio began.
  fileprivate struct Heard {
    var rate = 16_000
    var width = 2
    var channels = 1
    var bytes: [UInt8] = []
  }

  /// Follows events until the client is gone.
  func follow(_ events: AsyncStream<WyomingEvent>) async {
    var heard = Heard()
    // Text that is spoken while it still comes; nil outside of such a stream.
    var streamed: SpokenStream?
    for await event in events {
      if Task.isCancelled { return }
      do {
        switch event.type {
        case "describe": try await send("info", info)
        case "ping": try await send("pong", ["text": event.fields.text.map(JSON.string) ?? nil])
        case "audio-start":
          heard = Heard(
            rate: event.fields.rate ?? 16_000, width: event.fields.width ?? 2, channels: event.fields.channels ?? 1)
        case "audio-chunk":
          guard heard.bytes.count + event.payload.count <= service.options.maxBodyBytes else {
            throw MioError(.invalidInput, "the sound is too long")
          }
          heard.bytes += event.payload
        case "audio-stop":
          try await send("transcript", ["text": .string(try await text(of: heard))])
          heard.bytes = []
        case "synthesize":
          // Streaming clients send the whole text once more, for servers that do not stream.
          if streamed == nil, let text = event.fields.text {
            var spoken = SpokenStream()
            try await speak(text, &spoken)
            try await end(spoken)
          }
        case "synthesize-start": streamed = SpokenStream()
        case "synthesize-chunk":
          guard var spoken = streamed, let text = event.fields.text else { break }
          spoken.waiting += text
          try await speak(spoken.takeSentences(), &spoken)
          streamed = spoken
        case "synthesize-stop":
          guard var spoken = streamed else { break }
          try await speak(spoken.waiting, &spoken)
          try await end(spoken)
          try await send("synthesize-stopped")
          streamed = nil
        default: break
        }
      } catch {
        if Task.isCancelled { return }
        try? await send("error", ["text": .string(APIError(error).message), "code": "failed"])
      }
    }
  }

  // MARK: - Speech to text

  private func text(of heard: Heard) async throws -> String {
    guard [1, 2, 4].contains(heard.width), (1...32).contains(heard.channels), heard.rate > 0 else {
      throw MioError(.invalidInput, "the sound has \(heard.width) bytes per sample and \(heard.channels) channels")
    }
    let samples = heard.samples
    if samples.isEmpty { return "" }
    let audio = Audio(samples: samples, sampleRateHz: heard.rate)
    return try await service.admission.run { [service] in
      let model = service.model
      try model.require(task: .speechRecognition)
      let transcript = try await model.transcribe(audio)
      service.metrics.addHeard(seconds: audio.duration)
      return transcript.text
    }
  }

  // MARK: - Text to speech

  /// A text on its way to sound, sentence by sentence.
  private struct SpokenStream {
    var waiting = ""
    var hasBegun = false

    /// The sentences that have ended.
    mutating func takeSentences() -> String {
      let ends = waiting.indices.filter { index in
        let next = waiting.index(after: index)
        return ".!?\n".contains(waiting[index]) && next < waiting.endIndex && waiting[next].isWhitespace
      }
      guard let last = ends.last else { return "" }
      defer { waiting = String(waiting[waiting.index(after: last)...]) }
      return String(waiting[...last])
    }
  }

  /// Of the sound that is sent.
  private var format: JSON {
    ["rate": .int(service.model.speechSampleRateHz ?? 16_000), "width": 2, "channels": 1]
  }

  private func speak(_ text: String, _ spoken: inout SpokenStream) async throws {
    if Speech.hasNothingToSay(text) { return }
    let hadBegun = spoken.hasBegun
    spoken.hasBegun = try await service.admission.run { [self] in
      let model = service.model
      try model.require(task: .textToSpeech)
      let rate = model.speechSampleRateHz ?? 16_000
      var hasBegun = hadBegun
      let encoder = try AudioStreamEncoder(format: .raw16, sampleRateHz: rate)
      for try await chunk in model.speech(for: text) {
        if !hasBegun { try await send("audio-start", format) }
        hasBegun = true
        // A second at a time, so that players can begin.
        for start in stride(from: 0, to: chunk.samples.count, by: rate) {
          let samples = Array(chunk.samples[start..<min(start + rate, chunk.samples.count)])
          try await send("audio-chunk", format, payload: try encoder.encode(samples))
        }
        service.metrics.addSpoken(seconds: chunk.audio.duration)
      }
      return hasBegun
    }
  }

  private func end(_ spoken: SpokenStream) async throws {
    // Who waits for sound has to be told that there is none.
    if !spoken.hasBegun { try await send("audio-start", format) }
    try await send("audio-stop")
  }

  // MARK: - What there is

  private var info: JSON {
    let model = service.model
    let attribution: JSON = ["name": "mio-lite", "url": "https://github.com/MIO-Team/MIO"]
    let about: JSON = [
      "name": .string(service.options.modelName), "attribution": attribution, "installed": true,
      "description": .string(model.about ?? "MIO on this machine"), "version": nil,
    ]
    let voice = JSON.object([(key: "name", value: "default")]).adding([
      "attribution": attribution, "installed": true, "description": "the model's own voice", "version": nil,
      "languages": ["en"], "speakers": nil,
    ])
    let hears = model.tasks.contains(.speechRecognition)
    let speaks = model.tasks.contains(.textToSpeech)
    return [
      "asr": hears
        ? [about.adding(["models": [about.adding(["languages": ["en"]])], "supports_transcript_streaming": false])] : [],
      "tts": speaks ? [about.adding(["voices": [voice], "supports_synthesize_streaming": true])] : [],
      "handle": [], "intent": [], "wake": [], "mic": [], "snd": [], "satellite": nil,
    ]
  }

  private func send(_ type: String, _ data: JSON = [:], payload: [UInt8] = []) async throws {
    let channel = self.channel
    let done = channel.eventLoop.makePromise(of: Void.self)
    channel.writeAndFlush(ByteBuffer(bytes: WyomingEvent.bytes(type, data, payload: payload)), promise: done)
    let limit = channel.eventLoop.scheduleTask(in: .seconds(Int64(service.options.stallSeconds))) {
      channel.close(mode: .all, promise: nil)
    }
    defer { limit.cancel() }
    try await done.futureResult.get()
  }
}

extension WyomingSession.Heard {
  /// Mono samples: the mean of the channels.
  fileprivate var samples: [Float] {
    let frame = width * channels
    return (0..<(bytes.count / frame)).map { index in
      let sum = (0..<channels).reduce(Float(0)) { $0 + sample(at: index * frame + $1 * width) }
      return sum / Float(channels)
    }
  }

  private func sample(at offset: Int) -> Float {
    // 8-bit samples are unsigned, as in WAV.
    if width == 1 { return (Float(bytes[offset]) - 128) / 128 }
    let value = (0..<width).reduce(Int32(0)) { $0 | Int32(bytes[offset + $1]) << (8 * Int32($1)) }
    return width == 2 ? Float(Int16(truncatingIfNeeded: value)) / 32_768 : Float(value) / 2_147_483_648
  }
}
