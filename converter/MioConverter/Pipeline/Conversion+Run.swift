import Foundation
import MioFormat
import MioKernels

extension Conversion {
  /// Writes the model file.
  ///
  /// Reading, packing and writing overlap on all threads; about 200 MB of memory hold what is under way. The output
  /// appears under its name only when it is complete; after an error or a cancellation nothing is left.
  ///
  /// - Parameters:
  ///   - progress: is called from any thread, one call at a time.
  ///   - isCancelled: is asked before every step, from any thread.
  package func run(
    output: String, progress: @escaping @Sendable (ConversionProgress) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws(ConversionError) -> ConversionSummary {
    let tensors = components.flatMap { plan in plan.tensors.map { (plan: plan, tensor: $0) } }
    let encodings = tensors.map { $0.tensor.rule.encoding(quantization) }
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
    let worker = StepWorker(tensors: tensors, encodings: encodings, files: files)
    WorkerPool(threads: threads).run(tasks: threads) { _ in work(worker, queue, delivery) }
    if let error = queue.error {
      delivery.cancel()
      throw error
    }
    let sources = delivery.sourceFiles()
    let provenance = try Provenance(self, files: sources)
    let byteCount = try delivery.finish(provenance)
    return summary(sources, fileByteCount: byteCount, provenance)
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
      files.append(SourceMapping(name: name, mapping: try MappedFile.open(path, label: name)))
    }
    return files
  }

  /// What two paths of one file have in common.
  private static func identity(of path: String) -> [Int]? {
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
    guard let device = attributes?[.systemNumber] as? NSNumber, let inode = attributes?[.systemFileNumber] as? NSNumber
    else { return nil }
    return [device.intValue, inode.intValue]
  }

  private func summary(
    _ files: [SourceFile], fileByteCount: Int, _ provenance: Provenance
  ) -> ConversionSummary {
    let parts = components.map { plan in
      let names = Set(plan.tensors.flatMap { $0.sources.map(\.name) })
      let packed = plan.tensors.reduce(0) { $0 + ($1.rule.encoding(quantization).byteCount(of: $1.shape) ?? 0) }
      return ConversionSummary.Part(
        component: plan.component, tensorCount: plan.tensors.count,
        sourceByteCount: names.reduce(0) { $0 + (plan.source[$1]?.byteCount ?? 0) },
        packedByteCount: plan.blobs.reduce(packed) { $0 + $1.bytes.count })
    }
    return ConversionSummary(parts: parts, fileByteCount: fileByteCount, files: files)
  }
}
