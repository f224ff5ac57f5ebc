import MioKernels
import Testing

@Suite struct KernelChoiceTests {
  @Test func `no kernel of this machine differs from its definition`() {
    #expect(KernelSelfTest.failures().isEmpty)
  }

  @Test func `the trial chooses something that this machine can run`() throws {
    let result = KernelTrial(pool: WorkerPool(threads: 2), byteCount: 1 << 20).run()
    #expect(KernelVariant.available.contains(result.choice.fewRows))
    #expect(KernelVariant.available.contains(result.choice.manyRows))
    #expect(result.fewRows.count >= KernelTrial.ways.count)
    #expect(result.fewRows.allSatisfy { $0.seconds > 0 && $0.seconds < 60 })
    #expect(result.byteCount >= 1 << 19)
  }

  /// Rows on both sides of the border between few and many.
  @Test(arguments: [1, KernelChoice.maxFewRows, KernelChoice.maxFewRows + 1, 70] as [Int])
  func `no result depends on the choice`(tokens: Int) {
    var random = TestGenerator(seed: 5)
    let (rows, columns) = (90, 160)
    let x = Activations(rows: tokens, columns: columns, values: random.gaussians(tokens * columns))
    for format in [WeightFormat.q4, .q8, .f16, .f32] {
      let matrix = packed(random.gaussians(rows * columns), rows: rows, columns: columns, format)
      var results: Set<[UInt32]> = []
      for few in KernelVariant.available {
        for many in KernelVariant.available {
          for way in KernelTrial.ways.compactMap(WeightStreaming.init(parsing:)) {
            let choice = KernelChoice(fewRows: few, manyRows: many, streaming: way)
            var y = Activations(rows: tokens, columns: rows)
            matrix.apply(x, into: &y, on: KernelContext(pool: WorkerPool(threads: 1), choice: choice))
            results.insert(y.values.map(\.bitPattern))
          }
        }
      }
      #expect(results.count == 1, "\(format)")
    }
  }
}
