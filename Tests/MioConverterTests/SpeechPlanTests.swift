import Foundation
import MioCheckpoints
import MioConverter
import MioFormat
import MioTestSupport
import Testing

@Suite struct SpeechPlanTests {
  /// A checkpoint of a codec alone, with pieces of its configuration replaced.
  private func checkpoint(_ folder: TemporaryFolder, replacing changes: [String: String] = [:]) throws -> String {
    _ = try folder.copy(Goldens.speech("tiny-mio/SpeechTokenizer"), as: "SpeechTokenizer")
    let config = folder.url.appendingPathComponent("SpeechTokenizer/config.json")
    var text = try String(contentsOf: config, encoding: .utf8)
    for (old, new) in changes {
      #expect(text.contains(old))
      text = text.replacingOccurrences(of: old, with: new)
    }
    try folder.write("SpeechTokenizer/config.json", text)
    return folder.url.path
  }

  private func problems(replacing changes: [String: String]) throws -> [ConversionError.Problem] {
    let folder = try TemporaryFolder()
    let path = try checkpoint(folder, replacing: changes)
    return MioConverterTests.problems { _ = try Conversion(checkpoint: path, threads: 1) }
  }

  @Test func `converts the codec alone, and says what the file cannot do`() throws {
    let folder = try TemporaryFolder()
    let conversion = try Conversion(checkpoint: checkpoint(folder), threads: 1)
    #expect(conversion.components.map(\.component) == ["speech"])
    #expect(["language model", "text tokenizer"].allSatisfy { part in conversion.notes.contains { $0.contains(part) } })
    _ = try conversion.run(output: folder.path("out.mio"))
    let file = try ModelFile.open(path: folder.path("out.mio"))
    let config = try #require(file.component("speech")).config
    #expect(try config.ints("strides") == [8, 5, 4, 2])
    #expect(try config.string("activation") == "ELU")
    let encodings = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.encoding) })
    #expect(encodings["encoder.model.0.conv.conv.weight"] == .panelF16)
    #expect(encodings["decoder.model.1.lstm.weight_hh_l1"] == .panelF16)
    #expect(encodings["quantizer.vq.layers.7._codebook.embed"] == .panelF32)
    #expect(encodings["decoder.model.15.conv.conv.bias"] == .f32)
    for part in ["transform", "embed_avg", "weight_g"] { #expect(!encodings.keys.contains { $0.contains(part) }) }
  }

  /// The forms in which a convolution's weight comes: split by either generation of weight norm, or folded.
  enum WeightForm: CaseIterable { case older, newer, folded }

  @Test func `gives the same tensors for every form of the weights`() throws {
    let folder = try TemporaryFolder()
    let source = Goldens.root.appendingPathComponent("speech-sizes/dense")
    let tensors = try CheckpointDirectory(path: source.path).torchTensors("SpeechTokenizer/SpeechTokenizer.pt")
    let digests = try WeightForm.allCases.map { form in
      _ = try folder.copy(source.appendingPathComponent("SpeechTokenizer"), as: "\(form)/SpeechTokenizer")
      try folder.write("\(form)/SpeechTokenizer/SpeechTokenizer.pt", torchFile(tensors, form))
      let conversion = try Conversion(checkpoint: folder.path("\(form)"), quantization: .f32, threads: 1)
      _ = try conversion.run(output: folder.path("\(form).mio"))
      return try ModelFile.open(path: folder.path("\(form).mio")).tensors.map(\.digest)
    }
    #expect(digests[0] == digests[1])
    #expect(digests[0] == digests[2])
  }

  private func torchFile(_ tensors: TensorSet, _ form: WeightForm) throws -> [UInt8] {
    let (gain, direction) = (".parametrizations.weight.original0", ".parametrizations.weight.original1")
    var written: [(name: String, shape: [Int], values: [Float])] = []
    for name in tensors.names {
      let tensor = try #require(tensors[name])
      if form == .folded, name.hasSuffix(gain) { continue }
      var (values, target) = (try tensor.floats(), name)
      if form == .folded, name.hasSuffix(direction) {
        let base = String(name.dropLast(direction.count))
        let gains = try #require(tensors[base + gain]).floats()
        (values, target) = (SpeechFolding.weight(gains: gains, directions: values), base + ".weight")
      } else if form == .older {
        target = name.replacingOccurrences(of: gain, with: ".weight_g")
          .replacingOccurrences(of: direction, with: ".weight_v")
      }
      written.append((target, tensor.shape, values))
    }
    let file = TorchFile(
      written.map { TensorSpecification($0.name, $0.shape, type: .f32, deviation: 0) }, stem: "codec")
    return file.bytes(written.map { unsafe $0.values.withUnsafeBytes { unsafe Array($0) } })
  }

  @Test func `names every tensor that the configuration contradicts`() throws {
    let found = try problems(replacing: ["\"n_filters\": 3": "\"n_filters\": 4", "\"n_q\": 8": "\"n_q\": 9"])
    #expect(found.count > 60)
    #expect(Set(found.map(\.code)) == [.wrongShape, .missingTensor])
    #expect(found.contains { $0.tensor == "quantizer.vq.layers.8._codebook.embed" && $0.code == .missingTensor })
    #expect(found.contains { $0.tensor == "decoder.model.12.convtr.convtr.weight_v" && $0.code == .wrongShape })
    #expect(found.contains { $0.tensor == "encoder.model.13.lstm.bias_hh_l1_reverse" && $0.code == .wrongShape })
  }

  @Test func `names tensors that the configured network does not have`() throws {
    let found = try problems(replacing: ["\"lstm_layers\": 2": "\"lstm_layers\": 1", "\"n_q\": 8": "\"n_q\": 7"])
    #expect(Set(found.map(\.code)) == [.extraTensor])
    let names = Set(found.compactMap(\.tensor))
    #expect(names.contains("decoder.model.1.lstm.weight_ih_l1"))
    #expect(names.contains("quantizer.vq.layers.7._codebook.embed"))
    #expect(names.contains("quantizer.vq.layers.7._codebook.inited"))
  }

  @Test(arguments: [
    ["\"ELU\"": "\"GELU\""], ["\"activation\": \"ELU\"": "\"activation\": null"],
    ["\"sample_rate\": 16000": "\"sample_rate\": 0"], ["\"bidirectional\": true": "\"bidirectional\": 1"],
    ["\"n_filters\": 3": "\"n_filters\": 1"], ["\"dilation_base\": 2": "\"dilation_base\": 2000"],
    ["8,\n  5": "0,\n  5"], ["\"strides\"": "\"ratios\""], ["\"n_q\": 8": "\"n_q\": \"8\""],
    ["\"bidirectional\"": "\"both\""],
  ]) func `refuses settings that mean another network`(changes: [String: String]) throws {
    #expect(try problems(replacing: changes).map(\.code) == [.unsupported])
  }

  @Test func `needs both the configuration and the weights`() throws {
    for name in ["config.json", "SpeechTokenizer.pt"] {
      let folder = try TemporaryFolder()
      let path = try checkpoint(folder)
      try FileManager.default.removeItem(atPath: folder.path("SpeechTokenizer/" + name))
      let problem = problem { _ = try Conversion(checkpoint: path, threads: 1) }
      #expect(problem?.code == .missingFile)
      #expect(problem?.file == "SpeechTokenizer/" + name)
    }
  }
}

@Suite struct SpeechFoldingTests {
  @Test func `gives rows along the first axis the length of their gain`() {
    let weight = SpeechFolding.weight(gains: [10, -2], directions: [3, 4, 0, 0, 0, 0.5])
    #expect(weight == [6, 8, 0, 0, 0, -2])
  }

  @Test func `a direction of length zero gives no number`() {
    #expect(SpeechFolding.weight(gains: [1], directions: [0, 0]).count { $0.isNaN } == 2)
  }

  @Test func `lays convolutions out tap by tap`() {
    // [out 2, in 3, k 2]: 100 out + 10 in + k.
    let stored: [Float] = [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]
    let rows = SpeechFolding.convolution(stored, outputs: 2, inputs: 3, taps: 2)
    #expect(rows == [0, 10, 20, 1, 11, 21, 100, 110, 120, 101, 111, 121])
  }

  @Test func `lays transposed convolutions out with the outputs of a tap side by side`() {
    // [in 3, out 2, k 2]: 100 in + 10 out + k.
    let stored: [Float] = [0, 1, 10, 11, 100, 101, 110, 111, 200, 201, 210, 211]
    let rows = SpeechFolding.transposedConvolution(stored, inputs: 3, outputs: 2, taps: 2)
    #expect(rows == [0, 100, 200, 10, 110, 210, 1, 101, 201, 11, 111, 211])
  }

  @Test func `adds biases and squares`() {
    #expect(SpeechFolding.sum([[1, 2], [0.5, -4]]) == [1.5, -2])
    #expect(SpeechFolding.squaredNorms([3, 4, 0, 1], width: 2) == [25, 1])
  }
}
