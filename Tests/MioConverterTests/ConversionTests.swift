import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioKernels
import MioTestSupport
import Synchronization
import Testing

@Suite struct ConversionTests {
  @Test(arguments: ["tiny-mio", "llm-other-format"])
  func `keeps every weight of a checkpoint in f32`(_ name: String) throws {
    let directory = try TemporaryFolder()
    let conversion = try Conversion(checkpoint: Goldens.speech(name).path, quantization: .f32, threads: 2)
    let output = directory.path("out.mio")
    _ = try conversion.run(output: output)
    let file = try ModelFile.open(path: output)
    #expect(throws: Never.self) { try file.verify(threads: 2) }
    let source = try conversion.checkpoint.languageTensors().tensors
    let stored = file.tensors.filter { $0.component == "language" }
    #expect(stored.count == source.names.count)
    for record in stored {
      let expected = try #require(source[record.name]).floats()
      #expect(try rows(of: record.name, in: file, component: "language") == expected, "\(record.name)")
    }
    #expect(directory.contents == ["out.mio"])
  }

  @Test func `stores every tensor as the table says`() throws {
    let directory = try TemporaryFolder()
    for quantization in Quantization.allCases {
      let conversion = try Conversion(
        checkpoint: Goldens.speech("tiny-mio").path, quantization: quantization, threads: 2)
      let output = directory.path("\(quantization).mio")
      let summary = try conversion.run(output: output)
      let file = try ModelFile.open(path: output)
      for plan in conversion.components {
        for tensor in plan.tensors {
          let record = try #require(file.tensors.first { $0.component == plan.component && $0.name == tensor.name })
          #expect(record.encoding == tensor.rule.encoding(quantization))
          #expect(record.shape == tensor.shape)
        }
      }
      #expect(summary.fileByteCount == (try Data(contentsOf: URL(fileURLWithPath: output)).count))
      #expect(try file.component("about")?.config.string("quantization") == quantization.rawValue)
    }
    let encodings = { (name: String) in
      try ModelFile.open(path: directory.path("q4.mio")).tensors.first { $0.name == name }?.encoding
    }
    #expect(try encodings("model.embed_tokens.weight") == .panelQ8)
    #expect(try encodings("model.layers.0.mlp.down_proj.weight") == .panelQ4)
    #expect(try encodings("model.norm.weight") == .f32)
    #expect(try encodings("lm_head.weight") == .panelQ8)
  }

  /// A checkpoint whose embedding and head are packed in several steps, the last of an odd size.
  private func largerCheckpoint(in folder: TemporaryFolder) throws -> String {
    var sizes = LanguageSizes()
    (sizes.width, sizes.innerWidth, sizes.layerCount, sizes.headCount, sizes.kvHeadCount) = (72, 200, 2, 6, 3)
    sizes.rows = 33_333
    var checkpoint = RandomCheckpoint()
    checkpoint.language = sizes
    checkpoint.speech = SpeechSizes().scaled(by: 1 / 32)
    checkpoint.pieceCount = 900
    checkpoint.shardByteCount = 5_000_000
    let model = try Data(contentsOf: Goldens.speech("tiny-mio/tokenizer.model"))
    try checkpoint.write(to: folder.path("checkpoint"), tokenizer: [UInt8](model))
    return folder.path("checkpoint")
  }

  @Test(arguments: Quantization.allCases)
  func `packs matrices in steps as if in one`(_ quantization: Quantization) throws {
    let folder = try TemporaryFolder()
    let conversion = try Conversion(checkpoint: largerCheckpoint(in: folder), quantization: quantization, threads: 2)
    _ = try conversion.run(output: folder.path("out.mio"))
    let file = try ModelFile.open(path: folder.path("out.mio"))
    #expect(throws: Never.self) { try file.verify(threads: 2) }
    let source = try conversion.checkpoint.languageTensors().tensors
    for record in file.tensors where record.component == "language" {
      let values = try #require(source[record.name]).floats()
      let view = try file.tensor("language", record.name)
      guard let format = format(of: record.encoding) else {
        #expect(try rows(of: record.name, in: file, component: "language") == values)
        continue
      }
      var expected = [UInt8](repeating: 0xAA, count: record.byteCount)
      unsafe values.withUnsafeBufferPointer { values in
        unsafe expected.withUnsafeMutableBytes { target in
          unsafe PackedMatrix.pack(
            values, rows: record.shape[0], columns: record.shape[1], format: format, into: target)
        }
      }
      #expect(unsafe view.bytes.elementsEqual(expected), "\(record.name)")
    }
  }

  @Test func `gives the same bytes on any number of threads`() throws {
    let folder = try TemporaryFolder()
    for checkpoint in [Goldens.speech("tiny-mio").path, try largerCheckpoint(in: folder)] {
      var files: [Data] = []
      for threads in [1, 2, 5] {
        let output = folder.path("\(threads).mio")
        _ = try Conversion(checkpoint: checkpoint, threads: threads).run(output: output)
        files.append(try Data(contentsOf: URL(fileURLWithPath: output)))
      }
      #expect(files[0] == files[1])
      #expect(files[0] == files[2])
    }
  }

  @Test func `writes down where everything came from`() throws {
    let directory = try TemporaryFolder()
    let checkpoint = try directory.copy(Goldens.speech("tiny-mio"), as: "checkpoint")
    try directory.write("checkpoint/LICENSE", "Do as you like.\n")
    let output = directory.path("out.mio")
    let summary = try Conversion(checkpoint: checkpoint, threads: 2).run(output: output)
    let file = try ModelFile.open(path: output)
    let about = try #require(file.component("about")).config
    #expect(try about.strings("source_names") == summary.files.map(\.name))
    #expect(try about.strings("source_names").contains("model-00002-of-00002.safetensors"))
    #expect(try about.strings("source_names").contains("tokenizer.model"))
    for source in summary.files {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: checkpoint + "/" + source.name))
      #expect(source.byteCount == bytes.count)
      #expect(source.digest == Digest(of: Array(bytes)).description)
    }
    #expect(try file.blob("about", "LICENSE") == Array("Do as you like.\n".utf8))
    #expect(try about.strings("plan_reasons").allSatisfy { !$0.isEmpty })
  }

  @Test func `takes over the settings of the language model and of generation`() throws {
    let directory = try TemporaryFolder()
    _ = try Conversion(checkpoint: Goldens.speech("tiny-mio").path, threads: 1).run(output: directory.path("a.mio"))
    let file = try ModelFile.open(path: directory.path("a.mio"))
    let language = try #require(file.component("language")).config
    #expect(try language.int("width") == 64)
    #expect(try language.int("inner_width") == 160)
    #expect(try language.int("layer_count") == 3)
    #expect(try language.int("head_count") == 4)
    #expect(try language.int("kv_head_count") == 2)
    #expect(try language.float("norm_epsilon") == 1e-5)
    #expect(try language.float("rope_theta") == 5e6)
    #expect(try language.int("vocabulary_size") == 13192)
    #expect(try language.int("context_length") == 4096)
    #expect(try language.bool("tied_embeddings") == false)
    let generation = try #require(file.component("generation")).config
    #expect(try generation.ints("stop_ids") == [2])
    #expect(try generation.int("bos_id") == 1)
    #expect(try generation.int("pad_id") == 0)
    #expect(try file.blob("text", "tokenizer").prefix(4) == Array("MTOK".utf8)[...])
  }

  @Test func `reports progress up to the last byte`() throws {
    let directory = try TemporaryFolder()
    let seen = Mutex<[ConversionProgress]>([])
    _ = try Conversion(checkpoint: Goldens.speech("tiny-mio").path, threads: 2)
      .run(output: directory.path("a.mio"), progress: { step in seen.withLock { $0.append(step) } })
    let steps = seen.withLock { $0 }
    #expect(steps.last?.bytesDone == steps.last?.bytesTotal)
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.bytesDone < $1.bytesDone })
    #expect(steps.first?.tensor == "model.embed_tokens.weight")
  }

  @Test(arguments: [0, 1, 7, 30])
  func `leaves nothing when cancelled`(_ steps: Int) throws {
    let directory = try TemporaryFolder()
    try directory.write("out.mio", "the old file")
    let conversion = try Conversion(checkpoint: Goldens.speech("tiny-mio").path, threads: 2)
    let left = Mutex(steps)
    let found = problem {
      _ = try conversion.run(
        output: directory.path("out.mio"),
        isCancelled: {
          left.withLock { count in
            count -= 1
            return count < 0
          }
        })
    }
    #expect(found?.code == .cancelled)
    #expect(directory.contents == ["out.mio"])
    #expect(try String(contentsOfFile: directory.path("out.mio"), encoding: .utf8) == "the old file")
  }

  @Test func `leaves nothing when the output cannot be written`() throws {
    let directory = try TemporaryFolder()
    let conversion = try Conversion(checkpoint: Goldens.speech("tiny-mio").path, threads: 2)
    #expect(problem { _ = try conversion.run(output: directory.path("none/out.mio")) }?.code == .output)
    #expect(problem { _ = try conversion.run(output: directory.url.path) }?.code == .output)
    #expect(problem { _ = try conversion.run(output: "/dev/full") }?.code == .output)
    #expect(directory.contents == [])
  }

  @Test func `never overwrites its own input`() throws {
    let directory = try TemporaryFolder()
    let checkpoint = try directory.copy(Goldens.speech("tiny-mio"), as: "checkpoint")
    let conversion = try Conversion(checkpoint: checkpoint, threads: 2)
    let found = problem {
      _ = try conversion.run(output: checkpoint + "/../checkpoint/model-00001-of-00002.safetensors")
    }
    #expect(found?.code == .output)
    #expect(throws: Never.self) { try Conversion(checkpoint: checkpoint, threads: 2) }
  }

  @Test func `says what a file without some parts cannot do`() throws {
    let conversion = try Conversion(checkpoint: Goldens.speech("llm-other-format").path, threads: 1)
    #expect(conversion.components.map(\.component) == ["language", "generation"])
    #expect(conversion.notes.contains { $0.contains("no text tokenizer") })
    #expect(conversion.notes.contains { $0.contains("no speech codec") })
    let speech = try Conversion(checkpoint: Goldens.speech("speech-snake").path, threads: 1)
    #expect(speech.components.map(\.component) == ["speech"])
    #expect(speech.notes.contains { $0.contains("no language model") })
  }
}

/// The rows of a matrix, or the elements of a plain tensor, as floats.
func rows(of name: String, in file: ModelFile, component: String) throws -> [Float] {
  let view = try file.tensor(component, name)
  guard let format = format(of: view.record.encoding) else {
    return unsafe Array(view.bytes.assumingMemoryBound(to: Float.self))
  }
  let (rows, columns) = (view.record.shape[0], view.record.shape[1])
  let matrix = unsafe PackedMatrix(format: format, rows: rows, columns: columns, bytes: view.bytes, owner: file)
  var result = [Float](repeating: 0, count: rows * columns)
  unsafe result.withUnsafeMutableBufferPointer { buffer in
    for row in 0..<rows {
      unsafe matrix.copyRow(
        row, into: UnsafeMutableBufferPointer(rebasing: buffer[row * columns..<(row + 1) * columns]))
    }
  }
  return result
}

/// The kernels' name of a panel encoding; nil for the others.
private func format(of encoding: TensorEncoding) -> WeightFormat? {
  switch encoding {
  case .panelF32: .f32
  case .panelF16: .f16
  case .panelQ8: .q8
  case .panelQ4: .q4
  default: nil
  }
}
