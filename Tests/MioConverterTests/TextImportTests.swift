import Foundation
import MioConverter
import MioModel
import MioTestSupport
import Testing

@Suite struct TextImportTests {
  static let plainConfig = #"{"added_tokens_decoder": {}}"#

  /// A directory with the given files.
  static func folder(
    model: [UInt8]? = SentencePieceBuilder().bytes, config: String? = plainConfig, _ more: [String: String] = [:]
  ) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    if let model { try folder.write("tokenizer.model", model) }
    if let config { try folder.write("tokenizer_config.json", config) }
    for (name, text) in more { try folder.write(name, text) }
    return folder
  }

  static func read(_ folder: TemporaryFolder) throws -> TokenizerImport {
    try TokenizerImport(CheckpointDirectory(path: folder.url.path))
  }

  /// The problems of a directory that must be refused.
  static func problems(_ folder: TemporaryFolder) -> [ConversionError.Problem] {
    do {
      _ = try read(folder)
      return []
    } catch {
      return (error as? ConversionError)?.problems ?? []
    }
  }

  @Test func `imports the smallest tokenizer`() throws {
    let tokenizer = try TextTokenizer(parsing: Self.read(Self.folder()).blob)
    #expect(try tokenizer.encode("ab a\n", trusted: true) == [1, 261, 262, 259, 13])
    #expect(tokenizer.beginningID == 1)
    #expect(tokenizer.paddingID == nil)
    #expect(tokenizer.media.image == nil)
    #expect(tokenizer.media.speech == nil)
  }

  @Test func `gives the same bytes for the same directory`() throws {
    for name in ["tiny-mio", "old_json"] {
      #expect(try Goldens.tokenizerBlob(name) == Goldens.tokenizerBlob(name))
    }
  }

  // MARK: - tokenizer.model

  @Test func `refuses by name what is not implemented`() throws {
    typealias Builder = SentencePieceBuilder
    let changes: [(String, (inout Builder) -> Void)] = [
      ("model_type unigram", { $0.trainer += Builder.varint(3, 1) }),
      ("model_type char", { $0.trainer += Builder.varint(3, 4) }),
      ("byte_fallback", { $0.trainer += Builder.varint(35, 0) }),
      ("treat_whitespace_as_suffix", { $0.trainer += Builder.varint(24, 1) }),
      ("precompiled_charsmap (3 bytes", { $0.normalizer += Builder.message(2, [1, 2, 3]) }),
      ("precompiled_charsmap (2 bytes", { $0.denormalizer = Builder.message(2, [1, 2]) }),
      ("remove_extra_whitespaces", { $0.normalizer += Builder.varint(4, 1) }),
      ("escape_whitespaces=false", { $0.normalizer += Builder.varint(5, 0) }),
      ("UNUSED piece 259 \"a\"", { $0.pieces[259].kind = 5 }),
    ]
    for (name, change) in changes {
      var builder = SentencePieceBuilder()
      change(&builder)
      let problems = Self.problems(try Self.folder(model: builder.bytes))
      #expect(
        problems.contains { $0.code == .unsupported && $0.file == "tokenizer.model" && $0.message.contains(name) },
        "\(name)")
      #expect(problems.allSatisfy { $0.message.contains(";") }, "no way out: \(problems)")
    }
  }

  @Test func `takes the defaults of absent fields`() throws {
    // Absent normalizer fields mean a dummy prefix and extra white space removed; absent model_type means unigram.
    var builder = SentencePieceBuilder()
    builder.trainer = []
    builder.normalizer = []
    let messages = Self.problems(try Self.folder(model: builder.bytes)).map(\.message).joined()
    for name in ["model_type unigram", "byte_fallback", "remove_extra_whitespaces"] { #expect(messages.contains(name)) }
    builder = SentencePieceBuilder()
    builder.normalizer = SentencePieceBuilder.varint(4, 0)
    #expect(try Self.read(Self.folder(model: builder.bytes)).summary.addsDummyPrefix)
  }

  @Test func `refuses contradictory models`() throws {
    let changes: [(String, (inout SentencePieceBuilder) -> Void)] = [
      ("259 and 263 are both \"a\"", { $0.pieces.append(.init(text: Array("a".utf8))) }),
      ("BYTE pieces are missing, first <0x0A>", { $0.pieces[13].text = Array("<0x0a>".utf8) }),
      ("UNKNOWN", { $0.pieces[0].kind = 1 }),
      ("not named <0x00>", { $0.pieces.append(.init(text: Array("<0x0a>".utf8), kind: 6)) }),
    ]
    for (name, change) in changes {
      var builder = SentencePieceBuilder()
      change(&builder)
      let problems = Self.problems(try Self.folder(model: builder.bytes))
      #expect(problems.contains { $0.code == .badTokenizer && $0.message.contains(name) }, "\(name): \(problems)")
    }
  }

  @Test func `refuses what is no model`() throws {
    var infinite = SentencePieceBuilder()
    infinite.pieces[259].score = .infinity
    var empty = SentencePieceBuilder()
    empty.pieces[259].text = []
    var long = SentencePieceBuilder()
    long.pieces[259].text = Array(repeating: 0x61, count: 4097)
    var invalid = SentencePieceBuilder()
    invalid.pieces[259].text = [0xFF]
    var kind = SentencePieceBuilder()
    kind.pieces[259].kind = 7
    let whole = SentencePieceBuilder().bytes
    let files: [[UInt8]] = [
      [0], [0x0A], [0x0A, 0xFF], Array(whole.dropLast()), infinite.bytes, empty.bytes, long.bytes, invalid.bytes,
      kind.bytes,
      whole + [0x0B], whole + [0x08, 0x01], Array("version https://git-lfs.github.com/spec/v1\n".utf8),
      [0x0A] + Array(repeating: 0xFF, count: 10) + [0x01],
    ]
    for file in files {
      let problems = Self.problems(try Self.folder(model: file))
      // What is known to be something else is called by its name.
      #expect(
        problems.count == 1 && problems.allSatisfy { $0.code == .badTokenizer || $0.code == .wrongFile },
        "\(file.prefix(20)): \(problems)")
    }
    let pointer = Self.problems(try Self.folder(model: Array("version https://git-lfs.github.com/spec/v1\n".utf8)))
    #expect(pointer.first?.message.contains("git lfs pull") == true, "\(pointer)")
  }

  @Test func `refuses an empty model`() throws {
    #expect(Self.problems(try Self.folder(model: [])).map(\.code) == [.unreadable])
  }

  @Test func `skips unknown fields`() throws {
    let extra =
      SentencePieceBuilder.varint(90, 5) + SentencePieceBuilder.message(91, [1, 2, 3]) + [0xE5, 0x05, 1, 2, 3, 4]
      + [0xE1, 0x05, 1, 2, 3, 4, 5, 6, 7, 8]
    let plain = try Self.read(Self.folder())
    #expect(try Self.read(Self.folder(model: SentencePieceBuilder().bytes + extra)).blob == plain.blob)
  }

  @Test func `survives damage to the model anywhere`() throws {
    let whole = try [UInt8](
      Data(contentsOf: Goldens.tokenizerDirectory("llama_prefix").appendingPathComponent("tokenizer.model")))
    let folder = try Self.folder(model: whole)
    var state: UInt64 = 99
    func random() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state >> 33
    }
    for round in 0..<400 {
      var damaged = round % 2 == 0 ? Array(whole.prefix(Int(random()) % whole.count)) : whole
      for _ in 0..<3 where !damaged.isEmpty {
        damaged[Int(random()) % damaged.count] = UInt8(truncatingIfNeeded: random())
      }
      try folder.write("tokenizer.model", damaged)
      do {
        let tokenizer = try TextTokenizer(parsing: Self.read(folder).blob)
        _ = try tokenizer.encode("The robin <unk> é🙂", trusted: true)
      } catch { #expect(error is ConversionError, "round \(round)") }
    }
  }

  // MARK: - JSON files

  @Test func `names missing and malformed files`() throws {
    #expect(Self.problems(try Self.folder(model: nil)).map(\.code) == [.missingFile])
    #expect(Self.problems(try Self.folder(config: nil)).map(\.file) == ["tokenizer_config.json"])
    let both = Self.problems(try Self.folder(model: [1], config: "{"))
    #expect(both.map(\.file) == ["tokenizer_config.json", "tokenizer.model"])
    let malformed = [
      "[]", #"{"added_tokens_decoder": []}"#, #"{"added_tokens_decoder": {"x": {"content": "y"}}}"#,
      #"{"added_tokens_decoder": {"300": "y"}}"#, #"{"added_tokens_decoder": {"300": {"content": 5}}}"#,
      #"{"added_tokens_decoder": {"300": {"content": "y", "lstrip": 1}}}"#, #"{"bos_token": 7}"#, #"{"legacy": "no"}"#,
      #"{"additional_special_tokens": "x"}"#, #"{"additional_special_tokens": [3]}"#,
    ]
    for config in malformed { #expect(Self.problems(try Self.folder(config: config)).count == 1, "\(config)") }
  }

  @Test func `refuses token lists that contradict themselves`() throws {
    let tables = [
      (#"{"300": {"content": "y"}, "301": {"content": "y"}}"#, "two ids, 300 and 301"),
      (#"{"300": {"content": "y"}, "0300": {"content": "z"}}"#, "belongs to both"),
      (#"{"-1": {"content": "y"}}"#, "out of range"), (#"{"16777216": {"content": "y"}}"#, "out of range"),
      (#"{"300": {"content": ""}}"#, "1 to 4096 bytes"),
      (#"{"300": {"content": "y", "single_word": true}}"#, "single_word"),
      (#"{"300": {"content": "\n", "lstrip": true}}"#, "white space"),
      (#"{"300": {"content": "<image>"}, "301": {"content": "</image>"}}"#, "together"),
      (
        #"{"300": {"content": "<spch>"}, "301": {"content": "</spch>"}, "302": {"content": "<spch0>"}, "303": {"content": "<spch2>"}}"#,
        "<spch1> is missing"
      ),
    ]
    for (table, message) in tables {
      let problems = Self.problems(try Self.folder(config: "{\"added_tokens_decoder\": \(table)}"))
      #expect(problems.contains { $0.message.contains(message) }, "\(table): \(problems)")
    }
    let config = #"{"added_tokens_decoder": {}, "pad_token": "<pad>", "additional_special_tokens": ["<x>"]}"#
    let absent = Self.problems(try Self.folder(config: config)).map(\.message).joined()
    #expect(absent.contains("pad_token \"<pad>\"") && absent.contains("\"<x>\""))
    for key in ["clean_up_tokenization_spaces", "split_special_tokens"] {
      let problems = Self.problems(try Self.folder(config: "{\"added_tokens_decoder\": {}, \"\(key)\": true}"))
      #expect(problems.map(\.code) == [.unsupported])
    }
  }

  @Test func `points the way out where tokens are in tokenizer json only`() throws {
    let problems = Self.problems(try Self.folder(config: "{}", ["tokenizer.json": "{}"]))
    #expect(problems.map(\.file) == ["tokenizer.json"])
    #expect(Self.problems(try Self.folder(config: "{}", ["tokenizer.json": "{}", "added_tokens.json": "{}"])).isEmpty)
  }

  @Test func `takes media ids in any order`() throws {
    var entries: [String] = []
    let names =
      ["<image>", "</image>", "<spch>", "</spch>"] + (0..<5).map { "<img\($0)>" } + (0..<7).map { "<spch\($0)>" }
    var ids: [String: Int32] = [:]
    for (i, name) in names.enumerated() {
      let id = 300 + (i * 7) % 16 + (i % 3) * 50
      ids[name] = Int32(id)
      entries.append("\"\(id)\": {\"content\": \"\(name)\"}")
    }
    let config = "{\"added_tokens_decoder\": {\(entries.joined(separator: ","))}}"
    let tokenizer = try TextTokenizer(parsing: Self.read(Self.folder(config: config)).blob)
    #expect(tokenizer.media.image?.codes == (0..<5).map { ids["<img\($0)>"] })
    #expect(tokenizer.media.speech?.codes == (0..<7).map { ids["<spch\($0)>"] })
    for (name, id) in ids {
      #expect(tokenizer.id(of: name) == id)
      #expect(tokenizer.piece(id) == name)
      #expect(try tokenizer.encode(name, trusted: true, addsEnds: false) == [id])
    }
    // Ids between them have no token.
    let unused = try #require((300..<Int32(tokenizer.idCount)).first { id in !ids.values.contains(id) })
    #expect(tokenizer.piece(unused) == nil)
    #expect(tokenizer.kind(of: unused) == TokenKind.none)
  }

  @Test func `tells what it found`() throws {
    let summary = try Self.read(Self.folder(config: #"{"added_tokens_decoder": {}, "tokenizer_class": "YiTokenizer"}"#))
      .summary
    #expect(summary.notes.count == 4)
    let mio = try TokenizerImport(CheckpointDirectory(path: Goldens.tokenizerDirectory("llama_prefix").path))
    #expect(mio.summary.notes.isEmpty)
    #expect(mio.files == ["tokenizer_config.json", "tokenizer.model"])
    #expect(mio.summary.imageCodeCount == 16)
    let old = try TokenizerImport(CheckpointDirectory(path: Goldens.tokenizerDirectory("old_json").path))
    #expect(old.files == ["tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json"])
  }
}
