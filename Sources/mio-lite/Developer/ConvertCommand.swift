import ArgumentParser
import Foundation
import MioConverter
import MioFormat
import MioKernels
import MioLite

/// `convert CHECKPOINT_DIR -o F.mio`: packs a checkpoint.
struct ConvertCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Pack a MIO checkpoint directory into one model file.",
    discussion: """
      Everything is checked before anything is written: missing, extra and misshapen tensors are all named. The file
      appears under its name only when it is complete. The same checkpoint gives the same bytes.
      """)

  @Argument(
    help: "The checkpoint: a directory with config.json, weights, tokenizer.model, SpeechTokenizer/.", completion: .directory)
  var checkpoint: String

  @Option(name: .shortAndLong, help: "The model file to write.", completion: .file(extensions: ["mio"]))
  var output: String?

  @Option(help: "q4 (4.5 bits a weight), q8 (8.5 bits), f16 or f32.")
  var quantize: Quantization = .q4

  @Option(
    help: """
      Choose the 4 bits by what they do to the model's own activations, on the tokens of a file (text, or lists of token ids as
      JSON) or "builtin": what the model itself makes up. Takes minutes for small models, hours for 7B; needs OpenBLAS.
      """,
    completion: .file())
  var calibrate: String?

  @Option(
    help: """
      Mean bits of the language model's projections, 4.5 to 8.5: those that suffer most from 4 bits keep 8, as far as the bits
      last. Measured while calibrating, on the model's own tokens unless --calibrate names others.
      """)
  var bits: Double?

  @Flag(
    help: """
      Keep 8 bits, not 16, of the matrices that see and draw: a smaller file for models that were judged with it, or that draw
      without guidance, which multiplies what is rounded.
      """)
  var smallImages = false

  @Option(name: .shortAndLong, help: "Threads (default: the physical cores this process may use).")
  var threads: Int?

  @Flag(help: "Only print what would be written: which tensors keep how many bits, and why.")
  var plan = false

  @Option(
    help: "Pass over a setting of the checkpoint's configuration files that is not known; may be given several times.")
  var ignoreSetting: [String] = []

  @Flag(help: "Pack a directory that holds a tokenizer and no weights.")
  var tokenizerOnly = false

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if let output, output == "-" || OutputFile.isStream(URL(fileURLWithPath: output)) {
      throw ValidationError(
        "a model file is not written from its beginning to its end and cannot be streamed; name it: -o F.mio")
    }
    if output == nil && !plan { throw ValidationError("name the model file with -o, or ask for the --plan") }
    if calibrate != nil && quantize != .q4 {
      throw ValidationError("--calibrate chooses 4-bit codes; it goes with --quantize q4 only")
    }
    if smallImages && ![.q4, .q8].contains(quantize) {
      throw ValidationError("--small-images asks for 8 bits; it goes with --quantize q4 or q8")
    }
    if let bits {
      if !(4.5...8.5).contains(bits) {
        throw ValidationError("--bits takes a number from 4.5 (all q4) to 8.5 (all q8), not \(bits)")
      }
      if quantize != .q4 {
        throw ValidationError("--bits mixes q4 and q8; it goes with --quantize q4 only, which is the default")
      }
      if plan { throw ValidationError("--bits is decided by measuring while converting; --plan cannot foresee it") }
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads takes a number from 1 to 1024, not \(threads)")
    }
  }

  func run() async throws {
    let conversion = try Conversion(
      checkpoint: checkpoint, quantization: quantize, ignoringSettings: Set(ignoreSetting),
      acceptsTokenizerAlone: tokenizerOnly, smallImages: smallImages, threads: threads ?? Processors.usableCoreCount)
    if !common.quiet { for note in conversion.notes { Output.note("note: \(note)") } }
    guard let output, !plan else { return try Output.write(ConversionChart.plan(of: conversion)) }
    let started = ContinuousClock.now
    let summary = try await Interrupts.during { cancellation in
      // Here, where a request to stop is heeded: the check makes a file for a moment.
      try OutputFile.check(URL(fileURLWithPath: output))
      let bar = ProgressBar("convert", quiet: common.quiet)
      defer { bar.finish() }
      return try conversion.run(
        output: output, calibration: calibrate.map { $0 == "builtin" ? .builtin : .file($0) }, bits: bits,
        progress: { bar.update(Double($0.bytesDone) / Double(max($0.bytesTotal, 1)), detail: $0.tensor) },
        isCancelled: { cancellation.isCancelled })
    }
    if !common.quiet {
      for note in summary.notes { Output.note("note: \(note)") }
      Output.note(ConversionChart.summary(summary, output: output, seconds: (ContinuousClock.now - started).seconds))
    }
  }
}

extension Quantization: ExpressibleByArgument {}

/// What `convert` tells a person.
enum ConversionChart {
  /// One line for each kind of tensor: how many, their encoding, their size, and why.
  static func plan(of conversion: Conversion) -> String {
    var text = ""
    for component in conversion.components where !component.tensors.isEmpty {
      text += "\(component.component)\n"
      for line in conversion.planLines where line.rule.component == component.component {
        text += "  \(line.rule.tensors.padded(34)) \("\(line.tensorCount)".padded(5, right: true))  "
        text +=
          "\(line.encoding.name.padded(10)) \(ByteCount.text(line.packedByteCount).padded(9, right: true))  \(line.rule.reason)\n"
      }
    }
    return text
  }

  /// Sizes before and after, component by component.
  static func summary(_ summary: ConversionSummary, output: String, seconds: Double) -> String {
    var lines: [String] = []
    for part in summary.parts where part.packedByteCount > 0 {
      let before = part.sourceByteCount > 0 ? ByteCount.text(part.sourceByteCount) : "-"
      lines.append(
        "  \(part.component.padded(12)) \(before.padded(10, right: true)) -> \(ByteCount.text(part.packedByteCount).padded(10, right: true))"
      )
    }
    lines.append("\(output): \(ByteCount.text(summary.fileByteCount)) in \(String(format: "%.1f", seconds)) s")
    return lines.joined(separator: "\n")
  }
}
