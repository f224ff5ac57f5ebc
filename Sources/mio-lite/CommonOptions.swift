import ArgumentParser
import Foundation
import MioLite
import MioLiteDemo

/// Options that every command takes.
struct CommonOptions: ParsableArguments {
  @Flag(name: .shortAndLong, help: "Print nothing but the result and errors.")
  var quiet = false
}

/// Options of commands that open a model.
struct ModelOptions: ParsableArguments {
  @Option(
    name: .shortAndLong, help: "The packed model. Without it: $MIO_MODEL, then the model shipped with mio-lite.",
    completion: .file(extensions: ["mio"]))
  var model: String?

  @Option(name: .shortAndLong, help: "Threads (default: the physical cores this process may use).")
  var threads: Int?

  @Option(name: .long, help: "Most tokens of prompt and reply together (default: the model's own).")
  var context: Int?

  @Option(name: .long, help: "How keys and values are cached: int8, f16 or f32.")
  var cache: CacheOption = .int8

  @Option(name: .long, help: "How tasks are put to the model: instruct, base, or automatic by what the file knows.")
  var style: Model.Options.PromptStyle = .automatic

  @Flag(name: .long, help: "Use the kernels that the processor is known for, whatever was measured ('mio-lite doctor').")
  var noMeasuring = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads takes a number from 1 to 1024, not \(threads)")
    }
    if let context, context < 1 { throw ValidationError("--context takes a number of tokens, not \(context)") }
  }

  /// Where the model lies.
  func path() throws -> String {
    try ModelLocation.path(given: model)
  }
}

extension Model.Options.PromptStyle: ExpressibleByArgument {}

/// How keys and values are cached.
enum CacheOption: String, CaseIterable, ExpressibleByArgument {
  case int8, f16, f32
}

/// Finds the model when none is named.
enum ModelLocation {
  static func path(given: String?) throws -> String {
    if let given { return given }
    if let path = unsafe getenv("MIO_MODEL").map({ unsafe PathText.text(String.bytes(of: $0)) }), !path.isEmpty { return path }
    if let url = DemoModel.url { return url.path }
    throw Failure(
      .wrongInput, "no model: name one with -m FILE or in $MIO_MODEL; 'mio-lite convert CHECKPOINT_DIR -o F.mio' makes one")
  }
}

extension ModelOptions {
  /// Opens the model.
  func open() throws -> Model { try Model(contentsOf: URL(fileURLWithPath: try path()), options: options) }

  var options: Model.Options {
    let cache: Model.Options.CacheFormat =
      switch self.cache {
      case .int8: .int8
      case .f16: .f16
      case .f32: .f32
      }
    return Model.Options(
      threads: threads, contextLength: context, cache: cache, promptStyle: style, measuresMachine: !noMeasuring)
  }
}
