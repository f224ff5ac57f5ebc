import Foundation
import MioLite
import NIOHTTP1

/// `/v1/audio/speech`: text to sound.
enum Speech {
  private struct Body: Decodable {
    let input: String
    let model: String?
    let responseFormat: String?
    let speed: Double?
    let streamFormat: String?
    let seed: Int?
    let temperature: Double?
    let topP: Double?
    let topK: Int?
    let candidates: Int?
  }

  static func answer(_ call: Call) async throws {
    let body = try call.json(Body.self)
    try call.check(model: body.model)
    let format = try SoundFormat(body.responseFormat ?? "mp3", field: "response_format")
    let speed = body.speed ?? 1
    guard (0.25...4).contains(speed) else { throw APIError.invalid("speed", "must be 0.25 to 4") }
    guard [nil, "audio", "sse"].contains(body.streamFormat) else {
      throw APIError.unsupported("stream_format", "must be audio or sse")
    }
    guard !body.input.allSatisfy(\.isWhitespace) else { throw APIError.invalid("input", "has no words to speak") }
    try call.model.require(task: .textToSpeech)
    var options = SpeechOptions(candidates: body.candidates, speed: speed)
    options.sampling = Sampling(
      temperature: body.temperature, topK: body.topK, topP: body.topP, seed: call.seed(body.seed))
    // Programs that speak sentence by sentence come to pieces without a word.
    if hasNothingToSay(body.input) { return try await sendSilence(call, format, isStream: body.streamFormat == "sse") }
    let speech = call.model.speech(for: body.input, options: options)
    do {
      switch body.streamFormat {
      case "sse": try await sendEvents(call, speech, format)
      // WAV says how long it is, unless streaming was asked for: programs believe the header.
      case nil where format == .wav: try await sendWhole(call, speech, format)
      default: try await sendSound(call, speech, format)
      }
    } catch let error as MioError where error.code == .invalidInput {
      var refusal = APIError(error)
      refusal.param = refusal.param ?? "input"
      throw refusal
    }
  }

  /// Whether a text consists of marks and little pictures.
  static func hasNothingToSay(_ text: String) -> Bool {
    text.allSatisfy { character in
      character.isWhitespace || ".,!?;:…-–—'\"“”‘’()[]{}*_~`|/\\<>".contains(character)
        || character.unicodeScalars.first?.properties.generalCategory == .otherSymbol
    }
  }

  private static let silentSeconds = 0.25

  private static func sendSilence(_ call: Call, _ format: SoundFormat, isStream: Bool) async throws {
    let rate = call.model.speechSampleRateHz ?? 16_000
    let samples = [Float](repeating: 0, count: Int(silentSeconds * Double(rate)))
    let bytes = try format.file(Audio(samples: samples, sampleRateHz: rate))
    if !isStream { return try await call.writer.send(.ok, format.mediaType(sampleRateHz: rate), bytes) }
    try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
      try await send(bytes, in: events)
      try await sendEnd(inputs: 0, outputs: 0, in: events)
    }
  }

  private static func sendWhole(_ call: Call, _ speech: SpeechStream, _ format: SoundFormat) async throws {
    try await call.service.admission.run {
      var audio = Audio(samples: [], sampleRateHz: call.model.speechSampleRateHz ?? 16_000)
      for try await chunk in speech {
        audio.samples += chunk.samples
        call.count(chunk)
      }
      try await call.writer.send(.ok, format.mediaType(sampleRateHz: audio.sampleRateHz), try format.file(audio))
    }
  }

  private static func sendSound(_ call: Call, _ speech: SpeechStream, _ format: SoundFormat) async throws {
    try await call.service.admission.run {
      let rate = call.model.speechSampleRateHz ?? 16_000
      let encoder = try format.encoder(sampleRateHz: rate)
      let headers: HTTPHeaders = ["content-type": format.mediaType(sampleRateHz: rate)]
      for try await chunk in speech {
        // The head waits for the first sound: until then an error can still be an error.
        if call.writer.status == nil { call.writer.begin(.ok, headers) }
        let bytes = try encoder.encode(chunk.samples)
        if !bytes.isEmpty { try await call.writer.write(bytes) }
        call.count(chunk)
      }
      if call.writer.status == nil { call.writer.begin(.ok, headers) }
      let bytes = try encoder.finish()
      if !bytes.isEmpty { try await call.writer.write(bytes) }
      try await call.writer.end()
    }
  }

  private static func sendEvents(_ call: Call, _ speech: SpeechStream, _ format: SoundFormat) async throws {
    try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
      try await call.service.admission.run {
        let encoder = try format.encoder(sampleRateHz: call.model.speechSampleRateHz ?? 16_000)
        var (inputs, outputs) = (0, 0)
        for try await chunk in speech {
          try await send(try encoder.encode(chunk.samples), in: events)
          call.count(chunk)
          inputs += (try? call.model.tokenizer?.encode(chunk.text, addsEnds: false).count) ?? 0
          outputs += chunk.codes.reduce(0) { $0 + $1.count }
        }
        try await send(try encoder.finish(), in: events)
        try await sendEnd(inputs: inputs, outputs: outputs, in: events)
      }
    }
  }

  private static func send(_ bytes: [UInt8], in events: EventStream) async throws {
    if bytes.isEmpty { return }
    try await events.send(
      ["type": "speech.audio.delta", "audio": .string(Data(bytes).base64EncodedString())], event: "speech.audio.delta")
  }

  private static func sendEnd(inputs: Int, outputs: Int, in events: EventStream) async throws {
    try await events.send(
      [
        "type": "speech.audio.done",
        "usage": ["input_tokens": .int(inputs), "output_tokens": .int(outputs), "total_tokens": .int(inputs + outputs)],
      ], event: "speech.audio.done")
  }
}

extension Call {
  fileprivate func count(_ chunk: SpeechChunk) {
    service.metrics.addSpoken(seconds: chunk.audio.duration)
    service.metrics.addTokens(prompt: 0, generated: chunk.codes.reduce(0) { $0 + $1.count })
  }
}
