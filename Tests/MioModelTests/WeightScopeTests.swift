import MioFormat
import MioKernels
import MioModel
import MioTestSupport
import Testing

@Suite struct WeightScopeTests {
  private let folder: TemporaryFolder
  private let weights: WeightScope

  init() throws {
    folder = try TemporaryFolder()
    let layout = FileLayout(
      components: [Component(name: "net", isRequired: true, config: ConfigTable([("width", .int(3))]))],
      tensors: [
        FileLayout.Tensor(component: "net", name: "a.0.weight", encoding: .panelF32, shape: [2, 3]),
        FileLayout.Tensor(component: "net", name: "a.0.bias", encoding: .f32, shape: [2]),
      ])
    let writer = try ModelFileWriter(path: folder.path("net.mio"), layout: layout)
    var panel = [Float](repeating: 0, count: 48)
    for row in 0..<2 { for column in 0..<3 { panel[column * 16 + row] = Float(10 * row + column) } }
    try unsafe (panel + [7, 8]).withUnsafeBytes { try unsafe writer.write($0) }
    try writer.finish()
    weights = WeightScope(try ModelFile.open(path: folder.path("net.mio")), component: "net")
  }

  @Test func `binds matrices and vectors by path`() throws {
    let scope = weights["a"][0]
    let matrix = try scope.matrix("weight", [2, 3])
    #expect(matrix.format == .f32 && matrix.rows == 2 && matrix.columns == 3)
    let x = Activations(rows: 1, columns: 3, values: [1, 2, 3])
    var y = Activations(rows: 1, columns: 2)
    matrix.apply(x, into: &y, on: KernelContext(threads: 1))
    #expect(y.values == [8, 68])
    let vector = try scope.vector("bias", 2)
    #expect([vector[0], vector[1]] == [7, 8])
    #expect(scope.has("weight") && !scope.has("scale"))
    #expect(try scope.config.int("width") == 3)
  }

  @Test func `keeps the file open for what is bound`() throws {
    var vector: WeightVector?
    do {
      let file = try ModelFile.open(path: folder.path("net.mio"))
      vector = try WeightScope(file, component: "net").vector("a.0.bias", 2)
    }
    #expect(vector?[1] == 8)
  }

  @Test func `names the whole path of what is missing or does not fit`() {
    let scope = weights["a"][0]
    expect(.missingTensor, "a.0.scale") { _ = try scope.vector("scale", 2) }
    expect(.missingTensor, "a.1.bias") { _ = try weights["a"][1].vector("bias", 2) }
    expect(.wrongShape, "a.0.weight") { _ = try scope.matrix("weight", [3, 2]) }
    expect(.wrongShape, "a.0.bias") { _ = try scope.vector("bias", 3) }
    expect(.wrongEncoding, "a.0.bias") { _ = try scope.matrix("bias", [2]) }
    expect(.wrongEncoding, "a.0.weight") { _ = try scope.vector("weight", shape: [2, 3]) }
    expect(.missingComponent, nil) { _ = try WeightScope(weights.file, component: "other").vector("x", 1) }
  }

  private func expect(_ code: ModelFileError.Code, _ item: String?, _ body: () throws -> Void) {
    do {
      try body()
      Issue.record("\(item ?? "component") should not bind")
    } catch let error as ModelFileError {
      #expect(error.code == code && error.item == item && error.path == folder.path("net.mio"))
    } catch {
      Issue.record("\(error)")
    }
  }
}
