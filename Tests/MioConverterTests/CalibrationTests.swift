import Foundation
import MioConverter
import MioFormat
import MioModel
import MioTestSupport
import Testing

@Suite struct CalibrationTests {
  // MARK: - Which matrices keep 8 bits

  private static func losses(_ values: [(count: Int, loss: Double)]) -> [ProjectionLoss] {
    values.enumerated().map { ProjectionLoss(name: "\($0)", elementCount: $1.count, loss: $1.loss) }
  }

  @Test func `spends bits where a weight costs most`() {
    // Costs by weight: 0.01, 0.05, 0.02, 0.03.
    let losses = Self.losses([(100, 1), (100, 5), (200, 4), (100, 3)])
    #expect(MixedPlan.wide(losses, bits: 4.5).isEmpty)
    #expect(MixedPlan.wide(losses, bits: 5.3) == ["1"])
    #expect(MixedPlan.wide(losses, bits: 6.1) == ["1", "3"])
    // The next of the order does not fit, the one behind it does.
    #expect(MixedPlan.wide(losses, bits: 6.9) == ["0", "1", "3"])
    #expect(MixedPlan.wide(losses, bits: 8.5) == ["0", "1", "2", "3"])
  }

  @Test(arguments: Array(stride(from: 4.5, through: 8.5, by: 0.25)))
  func `never takes more bits than asked for`(bits: Double) {
    let sizes = (0..<50).map { index in 64 * (1 + index * 7 % 11) }
    let losses = Self.losses(sizes.enumerated().map { (count: $1, loss: Double($0 * 13 % 17)) })
    let mean = MixedPlan.bits(losses, wide: MixedPlan.wide(losses, bits: bits))
    #expect(mean < bits + 1e-6)
    #expect(mean > bits - 0.15)
  }

  @Test func `takes the earlier of two that cost the same`() {
    let losses = Self.losses([(10, 1), (20, 2), (10, 1)])
    #expect(MixedPlan.wide(losses, bits: 5.5) == ["0"])
  }

  // MARK: - Whole conversions, where OpenBLAS is installed

  private static let hasOpenBLAS: Bool = {
    let names: [String] = ["libopenblas.so.0", "libopenblas.so", "libopenblas.dylib"]
    return names.contains { name in unsafe dlopen(name, RTLD_NOW | RTLD_LOCAL) != nil }
  }()

  /// Converts the small checkpoint with the ids of a file.
  private func convert(
    _ name: String, _ checkpoint: String = Goldens.speech("tiny-mio").path, in folder: TemporaryFolder, calibrated: Bool = true,
    bits: Double? = nil, threads: Int = 2
  ) throws -> ModelFile {
    let ids = (0..<8).map { sequence in (0..<60).map { (sequence * 97 + $0 * $0 * 31 + $0 * 7) % 300 } }
    _ = try folder.write("ids.json", "\(ids)")
    let conversion = try Conversion(checkpoint: checkpoint, threads: threads)
    _ = try conversion.run(
      output: folder.path(name), calibration: calibrated ? .file(folder.path("ids.json")) : nil, bits: bits)
    let file = try ModelFile.open(path: folder.path(name))
    #expect(throws: Never.self) { try file.verify(threads: 2) }
    return file
  }

  private func projections(_ file: ModelFile) -> [TensorRecord] {
    file.tensors.filter { $0.component == "language" && $0.name.contains("_proj") }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `calibrates every projection and nothing else`() throws {
    let folder = try TemporaryFolder()
    let plain = try convert("plain.mio", in: folder, calibrated: false)
    let calibrated = try convert("calibrated.mio", in: folder)
    for (before, after) in zip(plain.tensors, calibrated.tensors) {
      #expect(before.encoding == after.encoding)
      let (a, b) = (
        try plain.tensor(before.component, before.name), try calibrated.tensor(after.component, after.name)
      )
      #expect(unsafe a.bytes.elementsEqual(b.bytes) == !before.name.contains("_proj"), "\(before.name)")
    }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `mixes 4 and 8 bits up to the mean asked for`() throws {
    let folder = try TemporaryFolder()
    var before = 4.5
    for bits in [5.0, 6, 7.5] {
      let records = projections(try convert("mixed.mio", in: folder, bits: bits))
      let wide = records.filter { $0.encoding == .panelQ8 }
      #expect(wide.count + records.filter { $0.encoding == .panelQ4 }.count == records.count)
      let count = { (records: [TensorRecord]) in Double(records.reduce(0) { $0 + $1.shape.reduce(1, *) }) }
      let mean = 4.5 + 4 * count(wide) / count(records)
      #expect(mean <= bits)
      #expect(mean > before)
      before = mean
    }
    let about = try #require(try ModelFile.open(path: folder.path("mixed.mio")).component("about")).config
    // The rule of the projections has a line for each encoding.
    #expect(try Set(about.strings("plan_encodings")).isSuperset(of: ["panel-q4", "panel-q8"]))
    #expect(try about.strings("notes").contains { $0.contains("keep 8") })
    #expect(throws: Never.self) { try LanguageModel(from: ModelFile.open(path: folder.path("mixed.mio"))) }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `8 bits of a mixed file are those of q8`() throws {
    let folder = try TemporaryFolder()
    let mixed = try convert("mixed.mio", in: folder, bits: 6)
    _ = try Conversion(checkpoint: Goldens.speech("tiny-mio").path, quantization: .q8, threads: 2)
      .run(output: folder.path("q8.mio"))
    let wide = try ModelFile.open(path: folder.path("q8.mio"))
    for record in projections(mixed) where record.encoding == .panelQ8 {
      let (a, b) = (try mixed.tensor("language", record.name), try wide.tensor("language", record.name))
      #expect(unsafe a.bytes.elementsEqual(b.bytes), "\(record.name)")
    }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `leaves weights alone that lie on levels already`() throws {
    let folder = try TemporaryFolder()
    let plain = try convert("plain.mio", in: folder, calibrated: false)
    let checkpoint = try folder.copy(Goldens.speech("tiny-mio"), as: "checkpoint")
    let source = try Conversion(checkpoint: checkpoint, threads: 2).checkpoint.languageTensors().tensors
    var rounded = SafetensorsWriter()
    for name in source.names {
      let tensor = try #require(source[name])
      rounded.add(
        name, tensor.shape,
        try name.contains("_proj") ? rows(of: name, in: plain, component: "language") : tensor.floats())
    }
    for name in try FileManager.default.contentsOfDirectory(atPath: checkpoint)
    where name.hasSuffix(".safetensors") || name.hasSuffix(".index.json") {
      try FileManager.default.removeItem(atPath: checkpoint + "/" + name)
    }
    try rounded.write(to: checkpoint + "/model.safetensors")
    let calibrated = try convert("again.mio", checkpoint, in: folder)
    for record in projections(plain) {
      let (before, after) = (
        try rows(of: record.name, in: plain, component: "language"),
        try rows(of: record.name, in: calibrated, component: "language")
      )
      #expect(before == after, "\(record.name)")
    }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `gives the same bytes on any number of threads`() throws {
    let folder = try TemporaryFolder()
    for bits in [nil, 6.0] {
      for threads in [1, 3] { _ = try convert("\(threads).mio", in: folder, bits: bits, threads: threads) }
      let files = try [1, 3].map { try Data(contentsOf: URL(fileURLWithPath: folder.path("\($0).mio"))) }
      #expect(files[0] == files[1])
    }
  }

  @Test(.enabled(if: hasOpenBLAS)) func `bits alone measure on what the model makes up`() throws {
    let folder = try TemporaryFolder()
    let file = try convert("own.mio", in: folder, calibrated: false, bits: 6)
    let notes = try #require(file.component("about")).config.strings("notes")
    #expect(notes.contains { $0.contains("(builtin)") })
    #expect(projections(file).contains { $0.encoding == .panelQ8 })
    #expect(folder.contents.filter { $0 != "ids.json" } == ["own.mio"])
  }

  @Test(.disabled(if: hasOpenBLAS)) func `says which library is missing`() throws {
    let folder = try TemporaryFolder()
    #expect(throws: ConversionError.self) { _ = try convert("none.mio", in: folder, bits: 6) }
    #expect(!folder.contents.contains("none.mio"))
  }
}
