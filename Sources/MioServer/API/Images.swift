import Foundation
import MioLite

/// `/v1/images/generations` and `/v1/images/edits`: words, and an image to change, to images.
enum Images {
  private struct Body: Decodable {
    let prompt: String
    let model: String?
    let n: Int?
    let size: String?
    let responseFormat: String?
    let outputFormat: String?
    let stream: Bool?
    let partialImages: Int?
    let seed: Int?
    let steps: Int?
    let guidance: Double?
    let sampler: String?
    let background: String?
  }

  /// What is wanted, checked.
  private struct Plan: Sendable {
    let task: MioTask
    let parts: [InputPart]
    let count: Int
    let format: Image.Format
    let asURL: Bool
    let seed: UInt64
    let options: ImageOptions
    let prompt: String
    /// What the events of a stream are called.
    var events: String { task == .imageEditing ? "image_edit" : "image_generation" }
  }

  private static let maxCount = 10

  static func generate(_ call: Call) async throws {
    let body = try call.json(Body.self)
    try call.check(model: body.model)
    guard !body.prompt.allSatisfy(\.isWhitespace) else { throw APIError.invalid("prompt", "is empty; say what to draw") }
    let plan = try plan(body, .imageGeneration, [.text(body.prompt)], call)
    try await answer(call, plan, streams: body.stream == true)
  }

  static func edit(_ call: Call) async throws {
    if call.request.isJSON { return try await editJSON(call) }
    let form = try Multipart(call.request.body, type: call.request.header("content-type"))
    try call.check(model: try form.text("model"))
    if !form.files("mask").isEmpty { throw APIError.unsupported("mask", "the model changes what the words say; leave it out") }
    let images = form.files("image")
    guard let image = images.first else { throw APIError.invalid("image", "is missing; send the image as a file") }
    guard images.count == 1 else { throw APIError.unsupported("image", "one image is edited at a time; send one") }
    guard let prompt = try form.text("prompt") else { throw APIError.invalid("prompt", "is missing; say what to change") }
    let body = Body(
      prompt: prompt, model: nil, n: try form.integer("n"), size: try form.text("size"),
      responseFormat: try form.text("response_format"), outputFormat: try form.text("output_format"), stream: nil,
      partialImages: try form.integer("partial_images"), seed: try form.integer("seed"), steps: try form.integer("steps"),
      guidance: try form.number("guidance"), sampler: try form.text("sampler"), background: try form.text("background"))
    let source = MediaSource(bytes: form.bytes(image), name: image.fileName.map { "'\($0.prefix(80))'" } ?? "the image")
    let plan = try plan(body, .imageEditing, [.imageFile(source), .text(prompt)], call)
    try await answer(call, plan, streams: try form.flag("stream"))
  }

  private struct EditBody: Decodable {
    let image: String
  }

  /// The same with the image as a data URI: what rows of a batch send.
  private static func editJSON(_ call: Call) async throws {
    let body = try call.json(Body.self)
    try call.check(model: body.model)
    let image = try call.json(EditBody.self).image
    let source = MediaSource(bytes: try call.bytes(of: image, at: "image"), name: "the image")
    let plan = try plan(body, .imageEditing, [.imageFile(source), .text(body.prompt)], call)
    try await answer(call, plan, streams: body.stream == true)
  }

  private static func plan(_ body: Body, _ task: MioTask, _ parts: [InputPart], _ call: Call) throws -> Plan {
    let count = body.n ?? 1
    guard (1...maxCount).contains(count) else { throw APIError.invalid("n", "must be 1 to \(maxCount)") }
    let partials = body.partialImages ?? 0
    guard (0...3).contains(partials) else { throw APIError.invalid("partial_images", "must be 0 to 3") }
    if body.background == "transparent" { throw APIError.unsupported("background", "images have a background; leave it out") }
    guard [nil, "url", "b64_json"].contains(body.responseFormat) else {
      throw APIError.unsupported("response_format", "must be url or b64_json")
    }
    let format: Image.Format
    switch body.outputFormat {
    case nil, "png": format = .png
    case "jpeg", "jpg": format = .jpeg
    default: throw APIError.unsupported("output_format", "must be png or jpeg")
    }
    try call.model.require(task: task)
    try call.model.require(.images)
    var options = call.options.image
    options.seedsEachImage = true
    if let steps = body.steps { options.steps = steps }
    if let guidance = body.guidance { options.guidance = guidance }
    if let name = body.sampler {
      guard let sampler = ImageOptions.Sampler(rawValue: name) else {
        let names = ImageOptions.Sampler.allCases.map(\.rawValue).joined(separator: ", ")
        throw APIError.unsupported("sampler", "must be one of \(names)")
      }
      options.sampler = sampler
    }
    if let size = body.size, size != "auto" { options.size = try side(size) }
    options.previews = partials
    let seed = call.seed(body.seed)
    return Plan(
      task: task, parts: parts, count: count, format: format, asURL: body.responseFormat == "url",
      seed: seed, options: options, prompt: body.prompt)
  }

  private static func side(_ size: String) throws -> Int {
    let sides = size.lowercased().split(separator: "x").map { Int($0) }
    guard sides.count == 2, let width = sides[0], let height = sides[1] else {
      throw APIError.invalid("size", "must be WIDTHxHEIGHT, or auto")
    }
    guard width == height else { throw APIError.unsupported("size", "images are square here; ask for \(width)x\(width)") }
    return width
  }

  private static func answer(_ call: Call, _ plan: Plan, streams: Bool) async throws {
    if streams {
      try await EventStream.run(call.writer, pingSeconds: call.options.pingSeconds, on: call.options.taskExecutor) { events in
        try await call.service.admission.run { try await sendEvents(call, plan, events) }
      }
    } else {
      try await call.service.admission.run { try await sendWhole(call, plan) }
    }
  }

  private static func sendWhole(_ call: Call, _ plan: Plan) async throws {
    var images: [JSON] = []
    var usage = ImageUsage()
    for index in 0..<plan.count {
      let (image, options) = try await draw(call, plan, index, &usage) { _ in }
      let data = Data(try image.encoded(as: plan.format, origin: ImageOrigin(prompt: plan.prompt, options: options)))
        .base64EncodedString()
      let seed: JSON = .int(Int(truncatingIfNeeded: options.sampling.seed ?? 0))
      images.append(
        plan.asURL
          ? ["url": .string("data:image/\(plan.format.rawValue);base64,\(data)"), "seed": seed]
          : ["b64_json": .string(data), "seed": seed])
    }
    try await call.writer.send([
      "created": .int(call.created), "data": .array(images), "background": "opaque",
      "output_format": .string(plan.format.rawValue), "quality": "auto", "size": .string(usage.size), "usage": usage.json,
    ])
  }

  private static func sendEvents(_ call: Call, _ plan: Plan, _ events: EventStream) async throws {
    for index in 0..<plan.count {
      var usage = ImageUsage()
      var partial = 0
      func members(_ image: Image, _ type: String) throws -> JSON {
        [
          "type": .string(type), "b64_json": .string(Data(try image.encoded(as: plan.format)).base64EncodedString()),
          "created_at": .int(call.created), "background": "opaque",
          "output_format": .string(plan.format.rawValue), "quality": "auto", "size": .string("\(image.width)x\(image.height)"),
          "index": .int(index),
        ]
      }
      let (image, options) = try await draw(call, plan, index, &usage) { part in
        switch part {
        case .preview(let image):
          let type = "\(plan.events).partial_image"
          try await events.send(members(image, type).adding(["partial_image_index": .int(partial)]), event: type)
          partial += 1
        case .progress(let progress):
          let type = "\(plan.events).progress"
          try await events.send(
            ["type": .string(type), "index": .int(index), "fraction": .double(progress.fraction)], event: type)
        default: break
        }
      }
      let type = "\(plan.events).completed"
      try await events.send(
        members(image, type).adding([
          "usage": usage.json, "seed": .int(Int(truncatingIfNeeded: options.sampling.seed ?? 0)),
        ]), event: type)
    }
  }

  private static func draw(
    _ call: Call, _ plan: Plan, _ index: Int, _ usage: inout ImageUsage, tell: (OutputPart) async throws -> Void
  ) async throws -> (Image, ImageOptions) {
    var options = plan.options
    options.sampling.seed = plan.seed &+ UInt64(index)
    let task = TaskOptions(sampling: options.sampling, image: options, maxImages: 1)
    var image: Image?
    for try await part in call.model.perform(plan.task, plan.parts, options: task) {
      switch part {
      case .image(let finished?, _): image = finished
      case .finished(let summary): usage.add(summary)
      default: try await tell(part)
      }
    }
    guard let image else {
      throw APIError(.internalServerError, "the model did not finish an image; try another seed")
    }
    usage.size = "\(image.width)x\(image.height)"
    call.service.metrics.addImages(1)
    call.service.metrics.addTokens(prompt: usage.prompt.all, generated: usage.reply.all)
    return (image, options)
  }
}

/// Tokens of the images of a request.
private struct ImageUsage {
  var prompt = ReplySummary.TokenCount()
  var reply = ReplySummary.TokenCount()
  var size = "auto"

  mutating func add(_ summary: ReplySummary) {
    prompt.add(summary.prompt)
    reply.add(summary.reply)
  }

  var json: JSON {
    [
      "input_tokens": .int(prompt.all), "output_tokens": .int(reply.all), "total_tokens": .int(prompt.all + reply.all),
      "input_tokens_details": ["image_tokens": .int(prompt.image), "text_tokens": .int(prompt.text)],
    ]
  }
}
