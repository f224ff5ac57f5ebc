import Foundation
import MioConverter
import MioTestSupport
import Testing

@Suite struct SafetensorsTests {
  @Test func `reads the goldens`() throws {
    let file = try SafetensorsFile(path: Goldens.speech("expected/llm_prefill.safetensors").path)
    #expect(file.names.contains("chat/ids"))
    let ids = try file.ints("chat/ids")
    #expect(try file.shape(of: "chat/ids") == [ids.count])
    let shape = try file.shape(of: "chat/hidden0")
    #expect(try file.floats("chat/hidden0").count == shape.reduce(1, *))
  }

  @Test func `writes what it reads`() throws {
    let directory = try TemporaryFolder()
    var writer = SafetensorsWriter()
    writer.add("wave \"x\"", [2, 3], [1, -2, 0.5, .infinity, .leastNonzeroMagnitude, 0] as [Float])
    writer.add("codes", [3], [1, -7, .max] as [Int32])
    writer.add("empty", [0, 4], [] as [Float])
    writer.add("scalar", [], [42] as [Float])
    try writer.write(to: directory.path("t.safetensors"))
    let file = try SafetensorsFile(path: directory.path("t.safetensors"))
    #expect(file.names == ["codes", "empty", "scalar", "wave \"x\""])
    #expect(try file.floats("wave \"x\"") == [1, -2, 0.5, .infinity, .leastNonzeroMagnitude, 0])
    #expect(try file.shape(of: "wave \"x\"") == [2, 3])
    #expect(try file.ints("codes") == [1, -7, .max])
    #expect(try file.floats("empty") == [])
    #expect(try file.floats("scalar") == [42])
    #expect(directory.contents == ["t.safetensors"])
  }

  @Test func `widens every 16-bit number exactly`() throws {
    let directory = try TemporaryFolder()
    let patterns = (0...UInt16.max).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    for type in ["F16", "BF16"] {
      let header = #"{"x":{"dtype":"\#(type)","shape":[65536],"data_offsets":[0,131072]}}"#
      let path = try directory.write(type, safetensors(header, patterns))
      let values = try SafetensorsFile(path: path).floats("x")
      let expected = (0...UInt16.max).map {
        type == "F16" ? Float(Float16(bitPattern: $0)) : Float(bitPattern: UInt32($0) << 16)
      }
      let different = zip(values, expected).filter { !($0 == $1 || ($0.isNaN && $1.isNaN)) }
      #expect(different.isEmpty)
    }
  }

  @Test func `takes 64-bit integers that fit 32 bits`() throws {
    let directory = try TemporaryFolder()
    let header = #"{"x":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}"#
    let fits: [UInt8] = [5, 0, 0, 0, 0, 0, 0, 0] + Array(repeating: 255, count: 8)
    #expect(try SafetensorsFile(path: directory.write("a", safetensors(header, fits))).ints("x") == [5, -1])
    let large: [UInt8] = [5, 0, 0, 0, 1, 0, 0, 0] + Array(repeating: 255, count: 8)
    let file = try SafetensorsFile(path: directory.write("b", safetensors(header, large)))
    #expect(problem { _ = try file.ints("x") }?.code == .wrongType)
    #expect(problem { _ = try file.floats("x") }?.code == .wrongType)
    #expect(problem { _ = try file.floats("y") }?.code == .missingTensor)
  }

  struct Broken: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let header: String
    var data = 8
    let says: String

    init(_ description: String, _ header: String, data: Int = 8, says: String) {
      testDescription = description
      self.header = header
      self.data = data
      self.says = says
    }
  }

  static let broken: [Broken] = [
    Broken("not JSON", "{", says: "header"),
    Broken("not an object", "[]", data: 0, says: "not a JSON object"),
    Broken("entry not an object", #"{"x":1}"#, says: "not an object"),
    Broken("same name twice", #"{"x":{},"x":{}}"#, says: "occurs twice"),
    Broken("no type", #"{"x":{"shape":[2],"data_offsets":[0,8]}}"#, says: "no dtype"),
    Broken("unknown type", #"{"x":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}}"#, says: "F4"),
    Broken("negative size", #"{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, says: "shape"),
    Broken("fractional size", #"{"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, says: "shape"),
    Broken("nine axes", #"{"x":{"dtype":"F32","shape":[2,1,1,1,1,1,1,1,1],"data_offsets":[0,8]}}"#, says: "shape"),
    Broken(
      "sizes that overflow", #"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#,
      says: "do not hold"),
    Broken("three offsets", #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}"#, says: "data_offsets"),
    Broken("offsets swapped", #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, says: "outside"),
    Broken("beyond the end", #"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, says: "outside"),
    Broken("wrong byte count", #"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, says: "do not hold"),
    Broken("hole", #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, says: "unused bytes before"),
    Broken(
      "overlap",
      #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      says: "overlaps"),
    Broken("bytes at the end", #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, says: "at the end"),
  ]

  @Test(arguments: broken)
  func `refuses a broken file`(_ broken: Broken) throws {
    let directory = try TemporaryFolder()
    let path = try directory.write("x", safetensors(broken.header, Array(repeating: 0, count: broken.data)))
    let found = try #require(problem { _ = try SafetensorsFile(path: path) })
    #expect(found.code == .badSafetensors)
    #expect(found.message.contains(broken.says), "\(found.message)")
  }

  @Test func `accepts empty tensors of any claimed width`() throws {
    let directory = try TemporaryFolder()
    let header = #"{"x":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}}"#
    #expect(try SafetensorsFile(path: directory.write("x", safetensors(header, []))).floats("x") == [])
  }

  @Test func `refuses every truncation`() throws {
    let directory = try TemporaryFolder()
    let header = #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    let whole = safetensors(header, Array(repeating: 0, count: 8))
    for length in 0..<whole.count {
      let path = try directory.write("x", Array(whole[..<length]))
      #expect(problem { _ = try SafetensorsFile(path: path) } != nil)
    }
  }

  @Test func `refuses a header of 100 MB and more`() throws {
    let directory = try TemporaryFolder()
    func code(_ header: [UInt8]) throws -> ConversionError.Code? {
      let path = try directory.write("x", lengthField(header.count) + header)
      return problem { _ = try SafetensorsFile(path: path) }?.code
    }
    // The longest headers that may be read: one nested without end, one list without end.
    let start = Array("{\"x\":[".utf8)
    let deep = start + Array(repeating: UInt8(ascii: "["), count: SafetensorsFile.headerLimit - start.count)
    #expect(try code(deep) == .badSafetensors)
    var wide = Array(repeating: UInt8(ascii: "0"), count: SafetensorsFile.headerLimit)
    for index in stride(from: 1, to: wide.count, by: 2) { wide[index] = UInt8(ascii: ",") }
    wide.replaceSubrange(..<start.count, with: start)
    #expect(try code(wide) == .badSafetensors)
    for length in [SafetensorsFile.headerLimit + 1, Int.max, -1] {
      let path = try directory.write("x", lengthField(length) + deep)
      let found = problem { _ = try SafetensorsFile(path: path) }
      #expect(found?.code == .badSafetensors)
      #expect(found?.message.contains("at most") == true)
    }
  }

  @Test func `says which file cannot be opened`() throws {
    let directory = try TemporaryFolder()
    #expect(problem { _ = try SafetensorsFile(path: directory.path("none")) }?.code == .unreadable)
    #expect(problem { _ = try SafetensorsFile(path: directory.url.path) }?.code == .unreadable)
  }
}

private func lengthField(_ length: Int) -> [UInt8] {
  stride(from: 0, to: 64, by: 8).map { UInt8(truncatingIfNeeded: length >> $0) }
}

private func safetensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
  lengthField(header.utf8.count) + Array(header.utf8) + data
}
