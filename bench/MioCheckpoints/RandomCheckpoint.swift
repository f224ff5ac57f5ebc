import Foundation
import MioConverter
import MioFiles
import MioKernels
import Synchronization

/// A checkpoint directory in MIO's layout with random weights: the right shapes, types and files, and numbers that look
/// like those of a trained network, without being one.
///
/// The same settings and seed give the same bytes on any number of threads.
package struct RandomCheckpoint: Sendable {
  /// The form of the language model's weights.
  package enum Form: String, Sendable, CaseIterable {
    case safetensors
    case bin
  }

  package var language: LanguageSizes? = LanguageSizes()
  package var speech: SpeechSizes? = SpeechSizes()
  package var imageTokenizer: ImageTokenizerSizes?
  package var diffusion: DiffusionModelSizes?
  package var pieceCount = 64000
  package var tokenStyle = PaddedTokenizer.Style.decoder
  package var form = Form.safetensors
  /// Weights are split into files of at most about this size; one file if they fit.
  package var shardByteCount = 5_000_000_000
  package var seed: UInt64 = 1
  package var threads = 1

  package init() {}

  /// How many numbers a language model of these sizes has.
  package static func elementCount(_ sizes: LanguageSizes, rows: Int) -> Int {
    sizes.tensors(rows: rows).reduce(0) { $0 + $1.elementCount }
  }

  /// How many numbers a SpeechTokenizer of these sizes has.
  package static func elementCount(_ sizes: SpeechSizes) -> Int { sizes.tensors().reduce(0) { $0 + $1.elementCount } }

  /// Writes the directory.
  ///
  /// - Parameters:
  ///   - tokenizer: the sentencepiece model whose pieces and settings are kept.
  ///   - progress: bytes written of all; called from any thread.
  package func write(
    to directory: String, tokenizer: [UInt8],
    progress: @escaping @Sendable (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws {
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    let padded = try PaddedTokenizer(from: tokenizer, pieceCount: pieceCount, seed: seed)
    for (name, bytes) in padded.files(tokenStyle) { try write(bytes, to: directory, name) }
    var jobs: [TensorJob] = []
    var torchFiles: [(file: OutputFile, layout: TorchFile, tensors: [TensorSpecification])] = []
    if let language {
      let rows = language.rows ?? padded.idCount
      try write(Array(language.config(rows: rows).utf8), to: directory, "config.json")
      try write(Array(Self.generationConfig.utf8), to: directory, "generation_config.json")
      for (name, tensors) in try shards(language.tensors(rows: rows), directory) {
        let file = try OutputFile(path: directory + "/" + name)
        switch form {
        case .safetensors: jobs += try safetensorsJobs(file, tensors)
        case .bin:
          let layout = TorchFile(tensors, stem: String(name.dropLast(4)))
          torchFiles.append((file, layout, tensors))
        }
      }
    }
    if let speech {
      try FileManager.default.createDirectory(atPath: directory + "/SpeechTokenizer", withIntermediateDirectories: true)
      try write(Array(speech.config.utf8), to: directory, "SpeechTokenizer/config.json")
      let file = try OutputFile(path: directory + "/SpeechTokenizer/SpeechTokenizer.pt")
      torchFiles.append((file, TorchFile(speech.tensors(), stem: "SpeechTokenizer"), speech.tensors()))
    }
    if let imageTokenizer {
      let folder = "seed-tokenizer-2"
      try FileManager.default.createDirectory(atPath: directory + "/" + folder, withIntermediateDirectories: true)
      for (name, tensors) in [
        ("eva_vit_g.pth", imageTokenizer.visionTensors()), ("seed_quantizer.pt", imageTokenizer.quantizerTensors()),
      ] {
        let file = try OutputFile(path: directory + "/" + folder + "/" + name)
        torchFiles.append((file, TorchFile(tensors, stem: "archive"), tensors))
      }
    }
    if let diffusion { jobs += try diffusionJobs(diffusion, directory + "/stable-diffusion-2-1-unclip/") }
    for (file, layout, tensors) in torchFiles {
      jobs += zip(layout.tensorEntries, tensors).map { TensorJob(tensor: $1, file: file, offset: $0.offset) }
    }
    let checksums = try run(jobs, progress: progress)
    var position = jobs.count - torchFiles.reduce(0) { $0 + $1.tensors.count }
    for (file, layout, tensors) in torchFiles {
      try finish(file, layout, Array(checksums[position..<(position + tensors.count)]))
      position += tensors.count
    }
  }

  private static let generationConfig = """
    {
      "_from_model_config": true,
      "bos_token_id": 1,
      "eos_token_id": 2,
      "pad_token_id": 0,
      "transformers_version": "4.34.0"
    }

    """

  private func write(_ bytes: [UInt8], to directory: String, _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: directory + "/" + name))
  }

  // MARK: - Files

  /// Splits tensors into files in the order of the network and writes the index, if there is more than one file.
  private func shards(
    _ tensors: [TensorSpecification], _ directory: String
  ) throws -> [(name: String, tensors: [TensorSpecification])] {
    var groups: [[TensorSpecification]] = [[]]
    var size = 0
    for tensor in tensors {
      if size + tensor.byteCount > shardByteCount, size > 0 {
        groups.append([])
        size = 0
      }
      groups[groups.count - 1].append(tensor)
      size += tensor.byteCount
    }
    let (stem, suffix) = form == .safetensors ? ("model", "safetensors") : ("pytorch_model", "bin")
    guard groups.count > 1 else { return [("\(stem).\(suffix)", tensors)] }
    func padded(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
    let files = groups.enumerated().map { index, tensors in
      (name: "\(stem)-\(padded(index + 1))-of-\(padded(groups.count)).\(suffix)", tensors: tensors)
    }
    let map = files.flatMap { file in file.tensors.map { "    \"\($0.name)\": \"\(file.name)\"" } }.sorted()
    let total = tensors.reduce(0) { $0 + $1.byteCount }
    let index = """
      {
        "metadata": {
          "total_size": \(total)
        },
        "weight_map": {
      \(map.joined(separator: ",\n"))
        }
      }

      """
    try write(Array(index.utf8), to: directory, "\(stem).\(suffix).index.json")
    return files
  }

  private func diffusionJobs(_ sizes: DiffusionModelSizes, _ folder: String) throws -> [TensorJob] {
    for (path, text) in sizes.files() {
      let parent = folder + path.prefix { $0 != "/" }
      try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
      try write(Array(text.utf8), to: folder, path)
    }
    return try [
      ("unet/diffusion_pytorch_model", sizes.networkTensors()), ("vae/diffusion_pytorch_model", sizes.decoderTensors()),
      ("text_encoder/model", sizes.textTensors()),
    ].flatMap { name, tensors in
      try safetensorsJobs(OutputFile(path: folder + name + ".safetensors"), tensors)
    }
  }

  /// Writes the header; the tensors follow in the order of their names, as the reference writer has them.
  private func safetensorsJobs(_ file: OutputFile, _ tensors: [TensorSpecification]) throws -> [TensorJob] {
    let sorted = tensors.sorted { $0.name < $1.name }
    let header = SafetensorsWriter.header(sorted.map { ($0.name, $0.type, $0.shape) })
    try file.write(Array(header), at: 0)
    var offset = header.count
    return sorted.map { tensor in
      defer { offset += tensor.byteCount }
      return TensorJob(tensor: tensor, file: file, offset: offset)
    }
  }

  private func finish(_ file: OutputFile, _ layout: TorchFile, _ checksums: [UInt32]) throws {
    for (entry, checksum) in zip(layout.tensorEntries, checksums) {
      try file.write(layout.localHeader(entry, checksum: checksum), at: entry.headerOffset)
    }
    for (entry, bytes) in layout.smallEntries {
      try file.write(layout.localHeader(entry, checksum: CRC32.checksum(bytes)), at: entry.headerOffset)
      try file.write(bytes, at: entry.offset)
    }
    try file.write(layout.directory(checksums: checksums), at: layout.directoryOffset)
  }

  // MARK: - Tensors

  /// A tensor and the place in a file where it goes.
  private struct TensorJob: Sendable {
    let tensor: TensorSpecification
    let file: OutputFile
    let offset: Int
  }

  /// Makes all tensors, each on one thread. Returns their checksums, 0 for safetensors files, which have none.
  private func run(_ jobs: [TensorJob], progress: @Sendable (Int, Int) -> Void) throws -> [UInt32] {
    let table = NormalTable()
    let total = jobs.reduce(0) { $0 + $1.tensor.byteCount }
    let done = Atomic<Int>(0)
    let outcome = Mutex<(checksums: [UInt32], failure: (any Error)?)>((Array(repeating: 0, count: jobs.count), nil))
    WorkerPool(threads: threads).run(tasks: jobs.count) { index in
      guard outcome.withLock({ $0.failure == nil }) else { return }
      do {
        let checksum = try make(jobs[index], table) { count in
          progress(done.add(count, ordering: .relaxed).newValue, total)
        }
        outcome.withLock { $0.checksums[index] = checksum }
      } catch { outcome.withLock { $0.failure = error } }
    }
    let result = outcome.withLock { $0 }
    if let failure = result.failure { throw failure }
    return result.checksums
  }

  private func make(_ job: TensorJob, _ table: NormalTable, wrote: (Int) -> Void) throws -> UInt32 {
    var filler = TensorFiller(job.tensor, seed: seed, table: table)
    var checksum = CRC32()
    let isZip = !job.file.path.hasSuffix(".safetensors")
    let rowByteCount = (job.tensor.shape.last ?? 1) * job.tensor.type.byteCount
    let pieceByteCount = max(1, (4 << 20) / rowByteCount) * rowByteCount
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: min(pieceByteCount, job.tensor.byteCount), alignment: 64)
    defer { unsafe buffer.deallocate() }
    var position = 0
    while position < job.tensor.byteCount {
      let count = min(pieceByteCount, job.tensor.byteCount - position)
      let piece = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
      unsafe filler.fill(piece)
      if isZip { unsafe checksum.update(UnsafeRawBufferPointer(piece)) }
      try unsafe job.file.write(UnsafeRawBufferPointer(piece), at: job.offset + position)
      position += count
      wrote(count)
    }
    return isZip ? checksum.value : 0
  }
}
