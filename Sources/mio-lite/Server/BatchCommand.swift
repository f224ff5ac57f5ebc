import ArgumentParser
import Foundation
import MioLite
import MioServer

/// `batch IN.jsonl -o OUT.jsonl`: many requests, each answered exactly once.
struct BatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch", abstract: "Answer many requests of a file, each exactly once.",
    discussion: """
      Lines are those of OpenAI's batches: {"custom_id", "method", "url", "body"} in, {"id", "custom_id", "response", "error"} out, for
      chat, completions, speech, transcriptions, images and edits. Started again, a batch goes on where it was stopped, however that
      was. With --task, the files or texts are rows by themselves: 'mio-lite batch --task asr *.wav -o words.jsonl'.
      Exit status 1 if the answer to a row is an error.
      """)

  /// What files or texts are asked without JSON.
  enum ListTask: String, CaseIterable, ExpressibleByArgument {
    case asr, describe, tts, imagine
  }

  @Argument(help: "The file of requests, '-' for standard input; with --task, files (asr, describe) or texts (tts, imagine).")
  var inputs: [String] = []

  @Option(name: .shortAndLong, help: "Where answers go, a line each; '-' is standard output.", completion: .file())
  var output: String

  @Option(help: "Make rows of files or texts: asr, describe, tts or imagine.")
  var task: ListTask?

  @Option(help: "Take files or texts from the lines of this file; '-' is standard input.", completion: .file())
  var fromList: String?

  @Option(help: "Folder below which rows may name files instead of sending bytes.", completion: .directory)
  var media: String?

  @Option(help: "Folder for sound and images of answers, instead of base64 in the rows.", completion: .directory)
  var mediaOut: String?

  @Option(help: "Work on part I of N only, as I/N; the parts' answers, one behind the other, are those of the whole.")
  var shard: String?

  @Flag(help: "Go on with an output that is there, if model and options are the same; this is what happens anyway.")
  var resume = false

  @Flag(help: "Start anew although the output is there.")
  var overwrite = false

  @Flag(help: "Write answers as they are finished, in any order.")
  var unordered = false

  @Option(help: "Requests worked on at the same time.")
  var parallel = 8

  @Option(help: "Decides, with a row's id, what is drawn in it.")
  var seed: UInt64 = 0

  @OptionGroup var model: ModelOptions
  @OptionGroup var common: CommonOptions

  func validate() throws {
    guard (1...1024).contains(parallel) else {
      throw ValidationError("--parallel takes a number from 1 to 1024, not \(parallel)")
    }
    if resume && overwrite { throw ValidationError("--resume goes on, --overwrite starts anew; give one") }
    if task == nil {
      guard inputs.count == 1, fromList == nil else {
        throw ValidationError("give one file of requests, or --task with files, texts or --from-list")
      }
    } else if inputs.isEmpty == (fromList == nil) {
      throw ValidationError("--task takes files or texts, or --from-list")
    }
    if let shard, parsedShard == nil { throw ValidationError("--shard takes I/N, as 1/4, not '\(shard)'") }
  }

  private var parsedShard: (number: Int, count: Int)? {
    let numbers = (shard ?? "1/1").split(separator: "/").map { Int($0) }
    guard numbers.count == 2, let number = numbers[0], let count = numbers[1], count >= 1, (1...count).contains(number) else {
      return nil
    }
    return (number, count)
  }

  func run() async throws {
    let (input, name) = try requests()
    if let named = inputs.first, task == nil, Files.isSame(named, output) {
      throw Failure(.wrongInput, "\(output): input and output are the same file; choose another name for the answers")
    }
    let opened = try model.open()
    var options = BatchOptions()
    options.parallel = parallel
    options.seed = seed
    options.shard = parsedShard ?? (1, 1)
    options.keepsOrder = !unordered
    // Files that were named on the command line may lie anywhere.
    options.mediaFolder = media ?? (task == nil ? nil : "/")
    options.mediaOutput = mediaOut
    options.overwrites = overwrite
    options.version = Version.number
    let batch = try Batch(opened, options)
    let target: Batch.Output = output == "-" ? .handle(.standardOutput) : .file(path: output)
    let started = ContinuousClock.now
    let bar = ProgressBar("batch", quiet: common.quiet || output == "-")
    defer { bar.finish() }
    let summary = try await Interrupts.during { cancellation in
      let work = Task {
        try await batch.run(input, name: name, to: target) { summary in
          bar.update(
            Double(summary.doneCount) / Double(max(summary.rowCount, 1)), detail: "\(summary.doneCount) of \(summary.rowCount)")
        }
      }
      cancellation.whenCancelled { work.cancel() }
      return try await work.value
    }
    bar.finish()
    if !common.quiet {
      let seconds = (ContinuousClock.now - started).seconds
      Output.note(
        "mio-lite: \(summary.doneCount) of \(summary.rowCount) rows answered in \(String(format: "%.1f", seconds)) s, "
          + "\(summary.failedCount) with an error")
    }
    if summary.failedCount > 0 {
      throw Failure(.failed, "\(summary.failedCount) rows have an error for an answer: look for a status_code that is not 200")
    }
  }

  // MARK: - What is asked

  /// The requests as a regular file.
  private func requests() throws -> (FileHandle, name: String) {
    guard let task else {
      let name = inputs[0]
      if name != "-" {
        guard !Files.isFolder(name) else { throw Failure(.wrongInput, "\(name): this is a folder; name a file of requests") }
        let handle = try Files.open(name)
        if handle.isRegularFile { return (handle, name) }
        return (try spool { write in try copy(handle, write) }, name)
      }
      return (try spool { write in try copy(.standardInput, write) }, "standard input")
    }
    let lines: [String]
    if let fromList {
      let text = String(decoding: try Input.bytes(of: fromList, limit: 1 << 30), as: UTF8.self)
      lines = text.split(whereSeparator: \.isNewline).map(String.init)
    } else {
      lines = inputs
    }
    return (
      try spool { write in
        for (index, line) in lines.enumerated() {
          let row = try JSONSerialization.data(withJSONObject: row(task, line, index), options: .sortedKeys)
          try write(row + Data([10]))
        }
      }, "the list"
    )
  }

  private func row(_ task: ListTask, _ line: String, _ index: Int) -> [String: Any] {
    let (url, body): (String, [String: Any]) =
      switch task {
      case .asr: ("/v1/audio/transcriptions", ["file": Self.absolute(line)])
      case .tts: ("/v1/audio/speech", ["input": line])
      case .imagine: ("/v1/images/generations", ["prompt": line])
      case .describe:
        (
          "/v1/chat/completions",
          [
            "messages": [
              [
                "role": "user",
                "content": [
                  ["type": "image_url", "image_url": ["url": Self.absolute(line)]],
                  ["type": "text", "text": "Please describe the image."],
                ],
              ]
            ]
          ]
        )
      }
    // Files are told apart by their names, texts by their places.
    let id = task == .asr || task == .describe ? line : "\(index + 1)"
    return ["custom_id": id, "method": "POST", "url": url, "body": body]
  }

  private static func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }

  private func spool(_ fill: ((Data) throws -> Void) throws -> Void) throws -> FileHandle {
    guard let file = Files.unnamedTemporary() else {
      throw Failure(.failed, "no temporary file can be made; check space in the folder for temporary files")
    }
    try fill { try file.write(contentsOf: $0) }
    try file.seek(toOffset: 0)
    return file
  }

  private func copy(_ handle: FileHandle, _ write: (Data) throws -> Void) throws {
    while case let more = try handle.read(upToCount: 1 << 20) ?? Data(), !more.isEmpty { try write(more) }
  }
}

extension FileHandle {
  fileprivate var isRegularFile: Bool {
    var status = stat()
    return unsafe fstat(fileDescriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
