import MioFormat

/// The conversion of one checkpoint directory into one model file.
///
/// ```swift
/// let conversion = try Conversion(checkpoint: "MIO-7B-Instruct", quantization: .q4, threads: 8)
/// let summary = try conversion.run(output: "mio.mio")
/// ```
///
/// Everything that can be known before the weights are read is checked by the initializer, and all that is wrong is
/// reported together; `run` then fails only for weights that are not numbers, disks and cancellation.
package struct Conversion: Sendable {
  /// The version of the program, written into every file.
  package static let programVersion = "0.2.0"

  package let checkpoint: CheckpointDirectory
  package let quantization: Quantization
  /// Whether matrices that see and draw keep 8 bits where they would keep 16, except under f16 and f32.
  package let smallImages: Bool
  package let threads: Int
  /// What the output will hold, in its order, without the provenance.
  package let components: [ComponentPlan]
  /// What the user should know, a sentence each: missing parts, settings that were not understood.
  package let notes: [String]

  /// Reads the checkpoint's configuration and the directories of its weight files, and plans the output.
  ///
  /// - Parameters:
  ///   - ignored: keys of configuration files to pass over although they are not known.
  ///   - acceptsTokenizerAlone: whether a directory with a tokenizer and nothing else is meant.
  /// - Throws: every missing, extra, misshapen or mistyped tensor, missing file and unsupported setting.
  package init(
    checkpoint path: String, quantization: Quantization = .q4, ignoringSettings ignored: Set<String> = [],
    acceptsTokenizerAlone: Bool = false, smallImages: Bool = false, threads: Int
  ) throws(ConversionError) {
    precondition(threads >= 1, "a conversion needs at least one thread")
    let checkpoint = try CheckpointDirectory(path: path, ignoringSettings: ignored)
    var found = Findings()
    found.add { () throws(ConversionError) in try LanguagePlan.plan(for: checkpoint) }
    let language = found.plans.last
    found.add { () throws(ConversionError) in
      guard let text = try TextPlan.plan(for: checkpoint) else { return nil }
      if let rows = try? language?.config.int("vocabulary_size"), text.idCount > rows {
        throw ConversionError(
          .badTokenizer, file: "tokenizer.model",
          "the tokenizer has ids up to \(text.idCount - 1), the embedding only \(rows) rows; are they of one model?"
        )
      }
      return text.plan
    }
    found.add { () throws(ConversionError) in try SpeechPlan.plan(for: checkpoint) }
    found.add { () throws(ConversionError) in try ImageTokenizerPlan.plan(for: checkpoint) }
    found.add { () throws(ConversionError) in try DiffusionPlan.plan(for: checkpoint, threads: threads) }
    if !checkpoint.hasLanguageWeights, let adapter = Self.adapterFiles.first(where: checkpoint.has) {
      throw ConversionError(
        .notACheckpoint, file: adapter,
        "this is a LoRA adapter, not a whole model; merge it into the model it was trained for: "
          + "model.merge_and_unload().save_pretrained(folder)")
    }
    if found.problems.isEmpty, found.plans.map(\.component) == [TextPlan.component], !acceptsTokenizerAlone {
      throw ConversionError(
        .notACheckpoint, file: path,
        "only a tokenizer is here, no weights; to pack it alone, ask for --tokenizer-only")
    }
    if found.plans.isEmpty && found.problems.isEmpty {
      throw ConversionError(
        .notACheckpoint, file: path,
        "nothing to convert: no config.json with weights, no tokenizer.model, no SpeechTokenizer, "
          + "seed-tokenizer-2 or stable-diffusion-2-1-unclip folder")
    }
    if found.plans.contains(where: { $0.component == LanguagePlan.component }) {
      found.add { () throws(ConversionError) in try GenerationPlan.plan(for: checkpoint) }
    }
    if !found.problems.isEmpty { throw ConversionError(found.problems) }
    self.checkpoint = checkpoint
    self.quantization = quantization
    self.smallImages = smallImages
    self.threads = threads
    components = found.plans
    notes = found.plans.flatMap(\.notes) + Self.absences(in: found.plans, checkpoint)
  }

  /// Some components of a checkpoint that was looked through before.
  init(of checkpoint: CheckpointDirectory, components: [ComponentPlan], quantization: Quantization, threads: Int) {
    self.checkpoint = checkpoint
    self.quantization = quantization
    smallImages = false
    self.threads = threads
    self.components = components
    notes = []
  }

  /// The encoding of the tensors of a rule.
  func encoding(_ rule: EncodingRule) -> TensorEncoding { rule.encoding(quantization, smallImages: smallImages) }

  private static let adapterFiles = ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"]

  /// The rules of all components: which tensors keep how many bits, and why.
  package static let rules =
    LanguagePlan.rules + SpeechPlan.rules + ImageTokenizerPlan.rules
    + DiffusionPlan.rules

  /// Plans and problems of the components so far.
  private struct Findings {
    var plans: [ComponentPlan] = []
    var problems: [ConversionError.Problem] = []

    mutating func add(_ plan: () throws(ConversionError) -> ComponentPlan?) {
      do {
        guard let plan = try plan() else { return }
        plans.append(plan)
        problems += plan.problems()
      } catch { problems += error.problems }
    }
  }

  /// What a file without some component cannot do.
  private static func absences(in plans: [ComponentPlan], _ checkpoint: CheckpointDirectory) -> [String] {
    let present = Set(plans.map(\.component))
    var notes: [String] = []
    if !present.contains(LanguagePlan.component) {
      notes.append("no language model (config.json and weights): the file cannot generate")
    }
    if !present.contains(TextPlan.component) {
      let other = checkpoint.has("tokenizer.json") ? "; tokenizer.json is not read" : ""
      notes.append("no text tokenizer (tokenizer.model\(other)): the file cannot read or write text")
    }
    if !present.contains(SpeechPlan.component) {
      notes.append("no speech codec (SpeechTokenizer folder): the file cannot speak or listen")
    }
    if !present.contains(ImageTokenizerPlan.component) {
      notes.append("no image tokenizer (seed-tokenizer-2 folder): the file cannot see images")
    }
    if !present.contains(DiffusionPlan.component) {
      notes.append("no diffusion model (stable-diffusion-2-1-unclip folder): the file cannot draw")
    }
    return notes
  }
}

/// How far a conversion has come.
package struct ConversionProgress: Hashable, Sendable {
  /// Bytes of the checkpoint's weights.
  package let bytesDone: Int
  package let bytesTotal: Int
  /// The tensor that was worked on last, under its name in the output.
  package let tensor: String
}

/// What a conversion has done.
package struct ConversionSummary: Sendable {
  /// One component of the output.
  package struct Part: Hashable, Sendable {
    package let component: String
    package let tensorCount: Int
    /// Bytes of the checkpoint's tensors.
    package let sourceByteCount: Int
    /// Bytes of tensors and blobs in the output.
    package let packedByteCount: Int
  }

  package let parts: [Part]
  /// The length of the output.
  package let fileByteCount: Int
  package let files: [SourceFile]
  /// What was noticed in the weights, a sentence each.
  package let notes: [String]
}

/// A file of the checkpoint, for the provenance.
package struct SourceFile: Hashable, Sendable {
  /// Relative to the checkpoint.
  package let name: String
  package let byteCount: Int
  /// SHA-256, in hexadecimal.
  package let digest: String
}
