import Foundation
import MioFormat
import MioKernels

/// What a conversion with calibration looks at beside the weights.
package enum CalibrationSource: Hashable, Sendable {
  /// Text, or lists of token ids as JSON.
  case file(String)
  /// What the model itself makes up, of every modality it has tokens for.
  case builtin
}

extension Conversion {
  /// Writes the model file.
  ///
  /// Reading, packing and writing overlap on all threads; about 200 MB of memory hold what is under way. The output
  /// appears under its name only when it is complete; after an error or a cancellation nothing is left.
  ///
  /// - Parameters:
  ///   - calibration: what the 4 bits of the language model's projections are chosen on; nil for the weights alone.
  ///   - bits: the mean bits a weight of those projections, from 4.5 to 8.5. With more than 4.5 those that suffer most from
  ///     4 bits keep 8; what suffers is measured, by the model's own tokens if `calibration` names no others.
  ///   - progress: is called from any thread, one call at a time.
  ///   - isCancelled: is asked before every step, from any thread.
  package func run(
    output: String, calibration: CalibrationSource? = nil, bits: Double? = nil,
    progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(ConversionError) -> ConversionSummary {
    guard calibration != nil || bits != nil else { return try write(output, .plain, progress, isCancelled) }
    let choice = try calibrated(on: calibration ?? .builtin, bits, output: output, progress, isCancelled)
    return try write(output, choice, progress, isCancelled)
  }

  /// What calibration decided.
  private struct CalibratedChoice {
    let tensors: CalibratedTensors?
    /// Names of projections in 8 bits.
    let wide: Set<String>
    /// What was done, a sentence each.
    let notes: [String]

    static let plain = CalibratedChoice(tensors: nil, wide: [], notes: [])
  }

  private func calibrated(
    on source: CalibrationSource, _ bits: Double?, output: String,
    _ progress: @escaping @Sendable (ConversionProgress) -> Void, _ isCancelled: @escaping @Sendable () -> Bool
  ) throws(ConversionError) -> CalibratedChoice {
    guard quantization == .q4, let language = components.first(where: { $0.component == LanguagePlan.component }) else {
      throw ConversionError(
        .unsupported, file: checkpoint.path, "--calibrate chooses the 4 bits of a language model; there are none here")
    }
    let tokenizer = components.lazy.flatMap(\.blobs).first { $0.name == "tokenizer" }?.bytes
    func report(_ what: String) -> (Int, Int) -> Void {
      { progress(ConversionProgress(bytesDone: $0, bytesTotal: $1, tensor: what)) }
    }
    let tokens: CalibrationTokens
    switch source {
    case .file(let path): tokens = try CalibrationTokens(file: path, tokenizer: tokenizer)
    case .builtin:
      // The model speaks for itself from a file of its own, which loses its name as soon as it is open.
      let path = output + ".calibration"
      let own = Conversion(of: checkpoint, components: [language], quantization: .q8, threads: threads)
      _ = try own.run(output: path, progress: progress, isCancelled: isCancelled)
      defer { unsafe _ = path.withSystemPath { unsafe unlink($0) } }
      tokens = try SelfGeneration.tokens(
        from: path, tokenizer: tokenizer, threads: threads, progress: report("calibration: the model writes"),
        isCancelled: isCancelled)
    }
    let scratch = try CalibratedTensors(beside: output)
    let names = Dictionary(uniqueKeysWithValues: language.tensors.map { ($0.name, encoding($0.rule)) })
    let losses = try Calibration(
      plan: language, tokens: tokens, threads: threads,
      progress: { progress(ConversionProgress(bytesDone: $0, bytesTotal: $1, tensor: "calibration: " + $2)) },
      isCancelled: isCancelled
    ).run(names, scratch: scratch, measures: bits != nil)
    let note = "the 4 bits of the language model were chosen on \(tokens.count) tokens (\(tokens.name))"
    guard let bits else { return CalibratedChoice(tensors: scratch, wide: [], notes: [note]) }
    let wide = MixedPlan.wide(losses, bits: bits)
    let mean = String(format: "%.2f", MixedPlan.bits(losses, wide: wide))
    return CalibratedChoice(
      tensors: scratch, wide: wide,
      notes: [
        note,
        "\(wide.count) of \(losses.count) projections, those that suffer most from 4 bits, keep 8: \(mean) bits a weight of them all",
      ])
  }

  private func write(
    _ output: String, _ choice: CalibratedChoice, _ progress: @escaping @Sendable (ConversionProgress) -> Void,
    _ isCancelled: @escaping @Sendable () -> Bool
  ) throws(ConversionError) -> ConversionSummary {
    let tensors = components.flatMap { plan in plan.tensors.map { (plan: plan, tensor: $0) } }
    let encodings = tensors.map { item in
      item.plan.component == LanguagePlan.component && choice.wide.contains(item.tensor.name)
        ? .panelQ8 : encoding(item.tensor.rule)
    }
    do {
      return try run(tensors, encodings, choice.tensors, notes: choice.notes, output: output, progress, isCancelled)
    } catch {
      // Hardly any checkpoint has values that 16 bits cannot hold, so nobody looks for them before one is met.
      guard error.problems.first?.code == .badWeight else { throw error }
      let (wider, names) = try widened(tensors, encodings, isCancelled)
      guard !names.isEmpty else { throw error }
      return try run(
        tensors, wider, choice.tensors, notes: choice.notes + names.map(Self.widenedNote), output: output, progress,
        isCancelled)
    }
  }

  private static func widenedNote(_ name: String) -> String {
    "\(name) has values beyond 65504, the largest that fits 16 bits; it is stored in 32 bits"
  }

  /// The encodings with 32-bit floats for every tensor that needs them, and the names of those tensors.
  private func widened(
    _ tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], _ encodings: [TensorEncoding],
    _ isCancelled: () -> Bool
  ) throws(ConversionError) -> (encodings: [TensorEncoding], names: [String]) {
    var worker = StepWorker(tensors: tensors, encodings: encodings, files: [], nonzero: NonzeroTensors())
    var encodings = encodings
    var names: [String] = []
    for index in tensors.indices where encodings[index].isPanels && encodings[index] != .panelF32 {
      if isCancelled() { throw ConversionError(.cancelled, file: "conversion", "cancelled; nothing was written") }
      guard try worker.peak(of: index) > encodings[index].greatestMagnitude else { continue }
      encodings[index] = .panelF32
      names.append(tensors[index].tensor.name)
    }
    return (encodings, names)
  }

  private func run(
    _ tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], _ encodings: [TensorEncoding],
    _ calibrated: CalibratedTensors?, notes: [String], output: String,
    _ progress: @escaping @Sendable (ConversionProgress) -> Void,
    _ isCancelled: @escaping @Sendable () -> Bool
  ) throws(ConversionError) -> ConversionSummary {
    let files = try openSources(output: output)
    let schedule = ConversionSchedule(
      tensors: tensors, encodings: encodings, files: files.map { ($0.name, $0.mapping.byteCount) })
    let layout = FileLayout(
      components: components.map { Component(name: $0.component, isRequired: false, config: $0.config) }
        + [Component(name: Provenance.component, isRequired: false, config: ConfigTable())],
      tensors: zip(tensors, encodings).map { item, encoding in
        FileLayout.Tensor(
          component: item.plan.component, name: item.tensor.name, encoding: encoding, shape: item.tensor.shape)
      },
      blobs: components.flatMap { plan in
        plan.blobs.map { FileLayout.Blob(component: plan.component, name: $0.name, bytes: $0.bytes) }
      })
    let delivery = try Delivery(
      path: output, layout: layout, files: files, tensorNames: tensors.map { $0.tensor.name },
      bytesTotal: schedule.steps.reduce(0) { $0 + $1.sourceByteCount }, progress: progress)
    let queue = StepQueue(schedule.steps, isCancelled: isCancelled)
    let nonzero = NonzeroTensors()
    let worker = StepWorker(tensors: tensors, encodings: encodings, files: files, nonzero: nonzero, calibrated: calibrated)
    WorkerPool(threads: threads).run(tasks: threads) { _ in work(worker, queue, delivery) }
    if let error = queue.error {
      delivery.cancel()
      throw error
    }
    let sources: [SourceFile]
    let provenance: Provenance
    let found = notes + zeroNotes(tensors, nonzero)
    do {
      sources = try delivery.sourceFiles()
      provenance = try Provenance(
        self, lines: planLines(encodings), files: sources, notes: self.notes + found)
    } catch {
      delivery.cancel()
      throw error
    }
    let byteCount = try delivery.finish(provenance)
    return summary(tensors, encodings, sources, fileByteCount: byteCount, notes: found)
  }

  /// Matrices of nothing but zeros are how a download that broke off looks; a bias may well be zero.
  private func zeroNotes(
    _ tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], _ nonzero: NonzeroTensors
  ) -> [String] {
    let names = tensors.indices.filter { tensors[$0].tensor.shape.count > 1 && !nonzero.contains($0) }
      .map { tensors[$0].tensor.name }
    guard let first = names.first else { return [] }
    let what = names.count == 1 ? "\(first) holds" : "\(names.count) tensors, \(first) the first, hold"
    return ["\(what) nothing but zeros; unless that is meant, download the checkpoint again"]
  }

  /// The life of one thread.
  private func work(_ worker: StepWorker, _ queue: StepQueue, _ delivery: Delivery) {
    var worker = worker
    while let (index, step) = queue.take() {
      do throws(ConversionError) {
        let byteCount = worker.outputByteCount(step)
        var output = queue.buffer(byteCount)
        try worker.perform(step, into: &output)
        try queue.finish(index, output) { (step, bytes) throws(ConversionError) in
          try delivery.deliver(step, bytes, byteCount: worker.outputByteCount(step))
        }
      } catch {
        queue.fail(error)
        return
      }
    }
  }

  /// Every file the plan was made from, each once.
  private func openSources(output: String) throws(ConversionError) -> [SourceMapping] {
    var seen = Set<String>()
    var files: [SourceMapping] = []
    let target = Self.identity(of: output)
    for name in components.flatMap(\.files) + Provenance.licenceFiles(of: checkpoint) where seen.insert(name).inserted {
      let path = checkpoint.path(of: name)
      if let target, target == Self.identity(of: path) {
        throw ConversionError(.output, file: output, "is a file of the checkpoint; choose another name")
      }
      files.append(
        SourceMapping(
          name: name, mapping: try MappedFile.open(path, label: name), expectedDigest: Self.promisedDigest(of: path),
          checksums: checksums(of: name)))
    }
    return files
  }

  /// The digest by which Hugging Face's cache calls a file: there, a name is a link to `blobs/SHA-256`.
  private static func promisedDigest(of path: String) -> String? {
    guard let resolved = unsafe path.withSystemPath({ unsafe realpath($0, nil) }) else { return nil }
    defer { unsafe free(resolved) }
    let target = unsafe String(cString: resolved).split(separator: "/")
    guard let name = target.last.map(String.init), target.dropLast().last == "blobs", name.utf8.count == 64,
      name.allSatisfy({ $0.isHexDigit && !$0.isUppercase })
    else { return nil }
    return name
  }

  /// The parts of a file that it keeps checksums of and that tensors of the plan lie in.
  private func checksums(of file: String) -> [(bytes: ChecksummedBytes, tensor: String)] {
    var found: [ChecksummedBytes: String] = [:]
    for plan in components {
      for name in plan.source.names {
        guard let tensor = plan.source[name], tensor.file == file, let bytes = tensor.storage, found[bytes] == nil else {
          continue
        }
        found[bytes] = name
      }
    }
    return found.sorted { $0.key.range.lowerBound < $1.key.range.lowerBound }.map { (bytes: $0.key, tensor: $0.value) }
  }

  /// What two paths of one file have in common.
  private static func identity(of path: String) -> [Int]? {
    var status = stat()
    guard unsafe path.withSystemPath({ unsafe stat($0, &status) }) == 0 else { return nil }
    return [Int(bitPattern: UInt(status.st_dev)), Int(bitPattern: UInt(status.st_ino))]
  }

  private func summary(
    _ tensors: [(plan: ComponentPlan, tensor: PlannedTensor)], _ encodings: [TensorEncoding], _ files: [SourceFile],
    fileByteCount: Int, notes: [String]
  ) -> ConversionSummary {
    let parts = components.map { plan in
      let names = Set(plan.tensors.flatMap { $0.sources.map(\.name) })
      let packed = tensors.indices.filter { tensors[$0].plan.component == plan.component }
        .reduce(0) { $0 + (encodings[$1].byteCount(of: tensors[$1].tensor.shape) ?? 0) }
      return ConversionSummary.Part(
        component: plan.component, tensorCount: plan.tensors.count,
        sourceByteCount: names.reduce(0) { $0 + (plan.source[$1]?.byteCount ?? 0) },
        packedByteCount: plan.blobs.reduce(packed) { $0 + $1.bytes.count })
    }
    return ConversionSummary(parts: parts, fileByteCount: fileByteCount, files: files, notes: notes)
  }
}
