import Foundation
import MioLite

/// `/v1/audio/transcriptions`: sound to text.
enum Transcriptions {
  /// The forms of an answer.
  private enum Format: String {
    case json, text, srt, vtt
    case verbose = "verbose_json"
  }

  /// The request as JSON, with the sound as a data URI: what rows of a batch send.
  private struct Body: Decodable {
    let file: String
    let model: String?
    let responseFormat: String?
    let timestampGranularities: [String]?
    let temperature: Double?
    let stream: Bool?
  }

  /// What is wanted, however it was sent.
  private struct Wish {
    let source: MediaSource
    let model: String?
    let format: String
    let granularities: [String]
    let temperature: Double?
    let streams: Bool

    init(_ call: Call) throws {
      let form = try Multipart(call.request.body, type: call.request.header("content-type"))
      guard let file = form.files("file").last else { throw APIError.invalid("file", "is missing; send the sound as a file") }
      source = MediaSource(bytes: form.bytes(file), name: file.fileName.map { "'\($0.prefix(80))'" } ?? "the file")
      model = try form.text("model")
      format = try form.text("response_format") ?? "json"
      granularities = form.list("timestamp_granularities")
      temperature = try form.number("temperature")
      streams = try form.flag("stream")
    }

    init(_ body: Body, _ call: Call) throws {
      source = MediaSource(bytes: try call.bytes(of: body.file, at: "file"), name: "the file")
      model = body.model
      format = body.responseFormat ?? "json"
      granularities = body.timestampGranularities ?? []
      temperature = body.temperature
      streams = body.stream ?? false
    }
  }

  static func answer(_ call: Call) async throws {
    let wish = call.request.isJSON ? try Wish(try call.json(Body.self), call) : try Wish(call)
    try call.check(model: wish.model)
    guard let format = Format(rawValue: wish.format) else {
      throw APIError.unsupported(
        "response_format", "'\(wish.format.prefix(30))' is not known; ask for json, text, srt, vtt or verbose_json")
    }
    if wish.granularities.contains("word") {
      throw APIError.unsupported("timestamp_granularities", "times of words cannot be had; ask for 'segment'")
    }
    try call.model.require(task: .speechRecognition)
    // Language and prompt are hints, for which the model has no place.
    let options = TranscriptionOptions(
      sampling: Sampling(temperature: wish.temperature.flatMap { $0 > 0 ? $0 : nil }, seed: call.seed(nil)))
    let stream = call.model.transcription(of: wish.source, options: options)
    if wish.streams { return try await sendEvents(call, stream) }
    try await call.service.admission.run {
      var segments: [TranscriptSegment] = []
      for try await segment in stream { segments.append(segment) }
      try await send(call, Transcript(segments: segments), format)
    }
  }

  static func refuseTranslation(_ call: Call) async throws {
    throw APIError(
      .badRequest,
      "the model writes down speech in its own language only; use /v1/audio/transcriptions, then "
        + "/v1/chat/completions to translate", code: "unsupported_endpoint")
  }

  private static func send(_ call: Call, _ transcript: Transcript, _ format: Format) async throws {
    let seconds = transcript.segments.last?.end ?? 0
    call.service.metrics.addHeard(seconds: seconds)
    switch format {
    case .json: try await call.writer.send(["text": .string(transcript.text), "usage": usage(seconds)])
    case .verbose: try await call.writer.send(verbose(call, transcript, seconds))
    case .text: try await send(call, transcript.text + "\n", "text/plain")
    case .srt: try await send(call, transcript.subRip, "application/x-subrip")
    case .vtt: try await send(call, transcript.webVTT, "text/vtt")
    }
  }

  private static func send(_ call: Call, _ text: String, _ type: String) async throws {
    try await call.writer.send(.ok, "\(type); charset=utf-8", Array(text.utf8))
  }

  private static func usage(_ seconds: Double) -> JSON { ["type": "duration", "seconds": .int(Int(seconds.rounded(.up)))] }

  /// What the model does not tell (the probabilities of its words) is null.
  private static func verbose(_ call: Call, _ transcript: Transcript, _ seconds: Double) -> JSON {
    let segments = transcript.segments.enumerated().map { index, segment -> JSON in
      let tokens = (try? call.model.tokenizer?.encode(segment.text, addsEnds: false)) ?? []
      return [
        "id": .int(index), "seek": .int(Int(segment.start * 100)), "start": .double(segment.start),
        "end": .double(segment.end), "text": .string(segment.text), "tokens": .array(tokens.map { .int(Int($0)) }),
        "temperature": 0, "avg_logprob": nil, "compression_ratio": nil, "no_speech_prob": nil,
      ]
    }
    return [
      "task": "transcribe", "language": "english", "duration": .double(seconds), "text": .string(transcript.text),
      "segments": .array(segments), "usage": usage(seconds),
    ]
  }

  private static func sendEvents(_ call: Call, _ stream: TranscriptionStream) async throws {
    try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
      try await call.service.admission.run {
        var (text, seconds) = ("", 0.0)
        for try await segment in stream {
          seconds = segment.end
          if segment.text.isEmpty { continue }
          let delta = text.isEmpty ? segment.text : " " + segment.text
          text += delta
          try await events.send(
            [
              "type": "transcript.text.delta", "delta": .string(delta), "start": .double(segment.start),
              "end": .double(segment.end),
            ], event: "transcript.text.delta")
        }
        call.service.metrics.addHeard(seconds: seconds)
        try await events.send(
          ["type": "transcript.text.done", "text": .string(text), "usage": usage(seconds)], event: "transcript.text.done")
      }
    }
  }
}
