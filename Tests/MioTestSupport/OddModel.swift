import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioKernels
import MioModel

/// Makes whole model files of odd but legal shape: random sizes, and every matrix in an encoding of its own.
package struct OddModel {
  private var random: Xoshiro
  private let seed: UInt64
  private let folder: TemporaryFolder
  /// What was drawn, for messages.
  package private(set) var description = ""

  package init(seed: UInt64, in folder: TemporaryFolder) {
    random = Xoshiro(seed: seed, name: "odd model")
    self.seed = seed
    self.folder = folder
  }

  /// Writes the file.
  package mutating func write(to path: String, tokenizer: [UInt8]) throws {
    let checkpoint = folder.path("odd-\(seed)")
    try makeCheckpoint().write(to: checkpoint, tokenizer: tokenizer)
    let plain = folder.path("odd-\(seed)-plain.mio")
    _ = try Conversion(checkpoint: checkpoint, quantization: .f32, threads: 1).run(output: plain)
    try recode(ModelFile.open(path: plain), to: path)
    try FileManager.default.removeItem(atPath: checkpoint)
    try FileManager.default.removeItem(atPath: plain)
  }

  private mutating func pick<T>(_ values: [T]) -> T { values[Int(random.next() % UInt64(values.count))] }

  private mutating func makeCheckpoint() -> RandomCheckpoint {
    var checkpoint = RandomCheckpoint()
    var language = LanguageSizes()
    language.headCount = pick([1, 2, 3, 4, 6])
    language.kvHeadCount = pick((1...language.headCount).filter { language.headCount.isMultiple(of: $0) })
    language.width = language.headCount * pick([2, 6, 8, 14, 16, 18, 34])
    language.innerWidth = pick([1, 7, 31, 64, 65, 100])
    language.layerCount = pick([1, 1, 2, 3])
    language.isTied = pick([true, false])
    checkpoint.language = language
    var speech = SpeechSizes()
    speech.filterCount = pick([2, 3, 4, 5, 16, 33])
    speech.strides = pick([[8, 5, 4, 2], [1], [2, 3], [5, 8], [64], [3, 1, 7]])
    speech.width = pick([1, 16, 24, 33])
    speech.semanticWidth = pick([speech.width, 12])
    speech.codebookSize = pick([1024, 16, 1, 3])
    speech.codebookCount = pick([8, 4, 1, 2])
    speech.layerCount = pick([1, 2, 3])
    speech.isBidirectional = pick([true, false])
    speech.activation = pick(["ELU", "Snake"])
    speech.residualKernelLength = pick([1, 2, 3, 3, 7, 50, 51, 64])
    speech.residualLayerCount = pick([1, 1, 2, 3])
    speech.dilationBase = pick([1, 2, 3, 16])
    checkpoint.speech = speech
    var tokenizer = ImageTokenizerSizes()
    tokenizer.visionHeadCount = 1
    tokenizer.visionInnerWidth = pick([5, 64])
    tokenizer.visionLayerCount = pick([1, 2])
    tokenizer.patchSize = pick([1, 3, 14])
    tokenizer.patchCount = pick([1, 4, 9])
    tokenizer.queryHeadCount = pick([1, 2])
    tokenizer.queryInnerWidth = pick([7, 64])
    tokenizer.queryLayerCount = pick([1, 2])
    tokenizer.codeWidth = pick([1, 8, 32])
    tokenizer.embedderLayerCount = 1
    tokenizer.embedderWidths = pick([[16, 8, 4], [1, 1, 1], [9, 33, 2]])
    tokenizer.embeddingWidth = pick([16, 34])
    checkpoint.imageTokenizer = tokenizer
    var diffusion = DiffusionModelSizes()
    diffusion.channels = pick([[32, 64], [64, 32, 96], [32, 32, 32, 64]])
    diffusion.headCounts = diffusion.channels.map { _ in 1 << (random.next() % 4) }
    diffusion.layerCount = pick([1, 2])
    (diffusion.textWidth, diffusion.textHeadCount) = pick([(16, 1), (24, 3)])
    (diffusion.textInnerWidth, diffusion.textLayerCount) = (20, 1)
    diffusion.textLength = pick([3, 5])
    diffusion.embeddingWidth = tokenizer.embeddingWidth
    diffusion.latentSize = 8
    diffusion.decoderChannels = pick([[32], [32, 64], [64, 32, 32]])
    diffusion.decoderLayerCount = pick([1, 2])
    checkpoint.diffusion = diffusion
    checkpoint.pieceCount = pick([900, 1000])
    checkpoint.seed = seed
    description = "\(language) \(speech) \(tokenizer) \(diffusion)"
    return checkpoint
  }

  /// The same file with every matrix in an encoding that is drawn for it.
  private mutating func recode(_ file: ModelFile, to path: String) throws {
    let formats: [(TensorEncoding, WeightFormat)] = [
      (.panelF32, .f32), (.panelF16, .f16), (.panelF16, .f16), (.panelQ8, .q8), (.panelQ4, .q4),
    ]
    var chosen: [WeightFormat?] = []
    var tensors: [FileLayout.Tensor] = []
    for record in file.tensors {
      let format = record.encoding.weightFormat == nil ? nil : pick(formats)
      chosen.append(format?.1)
      tensors.append(
        FileLayout.Tensor(
          component: record.component, name: record.name, encoding: format?.0 ?? record.encoding, shape: record.shape))
    }
    let blobs = try file.blobs.map {
      FileLayout.Blob(component: $0.component, name: $0.name, bytes: try file.blob($0.component, $0.name))
    }
    let writer = try ModelFileWriter(
      path: path, layout: FileLayout(components: file.components, tensors: tensors, blobs: blobs))
    for (record, format) in zip(file.tensors, chosen) {
      guard let format else {
        try unsafe writer.write(file.tensor(record.component, record.name).bytes)
        continue
      }
      let (rows, columns) = (record.shape[0], record.shape[1])
      let matrix = try WeightScope(file, component: record.component).matrix(record.name, record.shape)
      var values = [Float](repeating: 0, count: rows * columns)
      unsafe values.withUnsafeMutableBufferPointer { all in
        for row in 0..<rows {
          unsafe matrix.copyRow(row, into: UnsafeMutableBufferPointer(rebasing: all[row * columns..<(row + 1) * columns]))
        }
      }
      var bytes = [UInt8](repeating: 0, count: format.byteCount(rows: rows, columns: columns))
      unsafe bytes.withUnsafeMutableBytes { target in
        unsafe values.withUnsafeBufferPointer {
          unsafe PackedMatrix.pack($0, rows: rows, columns: columns, format: format, into: target)
        }
      }
      try writer.write(bytes)
    }
    try writer.finish()
  }
}
