import MioLite

/// What there is to ask: models and voices.
enum Models {
  static func list(_ call: Call) async throws {
    try await call.writer.send(["object": "list", "data": [description(call)]])
  }

  static func one(_ call: Call) async throws {
    let name = call.request.path.dropFirst("/v1/models/".count)
    guard name == call.options.modelName || name.removingPercentEncoding == call.options.modelName else {
      throw APIError(
        .notFound, "there is no model '\(name.prefix(80))' here, only '\(call.options.modelName)'", param: "model",
        code: "model_not_found")
    }
    try await call.writer.send(description(call))
  }

  /// The model has no voices by name: whatever name is given, it speaks in its own.
  static func voices(_ call: Call) async throws {
    let voices: JSON = call.model.hasSpeech ? [["id": "default", "name": "default"]] : []
    try await call.writer.send(["voices": voices])
  }

  private static func description(_ call: Call) -> JSON {
    let model = call.model
    let inputs = (model.hasText ? ["text"] : []) + (model.canSee ? ["image"] : []) + (model.hasSpeech ? ["audio"] : [])
    let outputs =
      (model.hasText ? ["text"] : []) + (model.canGenerateImages ? ["image"] : []) + (model.hasSpeech ? ["audio"] : [])
    return [
      "id": .string(call.options.modelName), "object": "model", "created": .int(call.service.startedAt),
      "owned_by": "mio-lite", "description": model.about.map(JSON.string) ?? nil,
      "architecture": [
        "input_modalities": .array(inputs.map(JSON.string)), "output_modalities": .array(outputs.map(JSON.string)),
      ],
      "context_length": model.contextLength.map(JSON.int) ?? nil,
      "tasks": .array(model.tasks.map { .string($0.rawValue) }),
    ]
  }
}
