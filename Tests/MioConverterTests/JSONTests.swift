import MioConverter
import Testing

@Suite struct JSONTests {
  @Test func `reads every kind of value`() throws {
    let json = try JSON(parsing: Array(#" {"a": [1, -2.5e1, true, null], "b\u00e9\ud83d\ude42": "x\n\"\\/"} "#.utf8))
    let object = try #require(json.object)
    #expect(object.keys == ["a", "bé🙂"])
    #expect(object["a"] == .array([.integer(1), .number(-25), .bool(true), .null]))
    #expect(object["bé🙂"]?.string == "x\n\"\\/")
  }

  @Test func `tells keys apart that look alike`() throws {
    let json = try JSON(parsing: Array("{\"\u{e9}\": 1, \"e\u{301}\": 2}".utf8))
    #expect(json.object?["\u{e9}"] == .integer(1))
    #expect(json.object?["e\u{301}"] == .integer(2))
  }

  @Test(arguments: [
    "", " ", "{", "[1", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "01", "1.", "-", "1e", "NaN",
    "Infinity",
    "\"", "\"\\x\"", "\"\\ud800\"", "\"\\ud83d\\u0041\"", "\"\\u00g0\"", "\"\u{1}\"", "tru", "1 2", "1e999", "'a'",
    "{1:2}",
  ])
  func `refuses what is not JSON`(_ text: String) {
    #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: Array(text.utf8)) }
  }

  @Test func `refuses bytes that are not UTF-8`() {
    #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: [0x22, 0xFF, 0x22]) }
  }

  @Test func `refuses endless nesting and endless lists`() {
    #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: Array(repeating: UInt8(ascii: "["), count: 100_000)) }
    let list = Array(("[" + String(repeating: "0,", count: 1000) + "0]").utf8)
    #expect(throws: JSON.SyntaxError.self) { try JSON(parsing: list, valueLimit: 1000) }
    #expect(throws: Never.self) { try JSON(parsing: list, valueLimit: 1002) }
  }

  @Test func `quotes what it reads`() throws {
    let text = "a\"\\\n\u{1}é"
    #expect(try JSON(parsing: Array(JSON.quoted(text).utf8)) == .string(text))
  }
}
