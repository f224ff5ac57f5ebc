import Foundation
import MioConverter
import MioFormat
import MioTestSupport
import Testing

/// Checkpoints as they arrive: files that are something else, weights under the names of wrappers, and what may be missing.
@Suite struct DownloadTests {
  private let folder: TemporaryFolder
  private let checkpoint: String

  init() throws {
    folder = try TemporaryFolder()
    checkpoint = try folder.copy(Goldens.speech("tiny-mio"), as: "c")
  }

  private func read() throws -> Conversion { try Conversion(checkpoint: checkpoint, threads: 1) }

  private static let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"

  @Test(arguments: [
    ("config.json", Array(pointer.utf8), "git lfs pull"), ("tokenizer.model", Array(pointer.utf8), "git lfs pull"),
    ("tokenizer.model", Array("<!DOCTYPE html><html>".utf8), "web page"),
    ("config.json", Array("<html><body>404</body></html>".utf8), "web page"),
    ("tokenizer.model", [UInt8](repeating: 0, count: 9000), "zeros"),
    ("tokenizer.model", Array("GGUF".utf8) + [3, 0, 0, 0], "GGUF"),
    ("tokenizer.model", [0x1F, 0x8B, 8, 0], "gzip"),
  ]) func `a file that is something else is named`(name: String, bytes: [UInt8], says: String) throws {
    try folder.write("c/\(name)", bytes)
    let found = problems { _ = try read() }
    #expect(found.contains { $0.file == name && $0.message.contains(says) }, "\(found)")
  }

  @Test(arguments: [
    (Array(pointer.utf8), "git lfs pull"), (Array("<!DOCTYPE html>".utf8), "web page"),
    (Array(#"{"error": "Repository not found"}"#.utf8), "error message"),
    ([UInt8](repeating: 0, count: 9000), "zeros"), (Array("GGUF".utf8) + [3, 0, 0, 0], "GGUF"),
  ]) func `weights that are something else are named`(bytes: [UInt8], says: String) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: checkpoint)
    where name.hasSuffix(".safetensors") || name.hasSuffix(".bin") || name.hasSuffix(".index.json") {
      try FileManager.default.removeItem(atPath: checkpoint + "/" + name)
    }
    try folder.write("c/model.safetensors", bytes)
    let found = problems { _ = try read() }
    #expect(found.contains { $0.message.contains(says) }, "\(found)")
  }

  /// Writes the weights again, in one file, under other names or with other contents.
  private func rewrite(_ change: (_ name: String, _ values: [Float]) -> (name: String, values: [Float])?) throws {
    let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    var writer = SafetensorsWriter()
    for shard in shards {
      let file = try SafetensorsFile(path: "\(checkpoint)/\(shard)")
      for name in file.names {
        guard let new = change(name, try file.floats(name)) else { continue }
        writer.add(new.name, try file.shape(of: name), new.values)
      }
    }
    for name in shards + ["model.safetensors.index.json"] {
      try FileManager.default.removeItem(atPath: "\(checkpoint)/\(name)")
    }
    try writer.write(to: "\(checkpoint)/model.safetensors")
  }

  @Test(arguments: ["module.", "_orig_mod.", "base_model.model.", "module._orig_mod."])
  func `prefixes of wrappers say nothing about the model`(prefix: String) throws {
    try rewrite { (prefix + $0, $1) }
    #expect(try read().components.contains { $0.component == "language" && !$0.tensors.isEmpty })
  }

  @Test func `a network that was saved without its wrapper is found`() throws {
    try rewrite { ($0.hasPrefix("model.") ? String($0.dropFirst(6)) : $0, $1) }
    #expect(try read().components.contains { $0.component == "language" && !$0.tensors.isEmpty })
  }

  @Test func `names of something else are told in few lines`() throws {
    try rewrite { ("transformer.h.\($0)", $1) }
    let found = problems { _ = try read() }
    #expect(!found.isEmpty && found.count <= 3, "\(found)")
  }

  @Test func `an adapter or a tokenizer alone is no model`() throws {
    try folder.write("lora/adapter_config.json", "{\"peft_type\": \"LORA\"}")
    try folder.write("lora/adapter_model.safetensors", [2, 0, 0, 0, 0, 0, 0, 0] + Array("{}".utf8))
    #expect(problem { _ = try Conversion(checkpoint: folder.path("lora"), threads: 1) } != nil)
    for name in ["tokenizer.model", "tokenizer_config.json"] {
      try folder.write("alone/\(name)", Array(Data(contentsOf: URL(fileURLWithPath: "\(checkpoint)/\(name)"))))
    }
    #expect(problem { _ = try Conversion(checkpoint: folder.path("alone"), threads: 1) }?.message.contains("tokenizer") == true)
    _ = try Conversion(checkpoint: folder.path("alone"), acceptsTokenizerAlone: true, threads: 1)
  }

  @Test func `weights of zeros alone are noted`() throws {
    try rewrite { ($0, $0.hasSuffix("layers.0.mlp.up_proj.weight") ? $1.map { _ in 0 } : $1) }
    let summary = try read().run(output: folder.path("out.mio"))
    #expect(summary.notes.contains { $0.contains("up_proj") && $0.contains("zero") }, "\(summary.notes)")
  }

  /// A file of PyTorch keeps a checksum of each storage.
  @Test func `a storage with other bytes than were saved is found`() throws {
    let name = "SpeechTokenizer/SpeechTokenizer.pt"
    var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(checkpoint)/\(name)")))
    // Storages fill the file; its middle lies in one.
    bytes[bytes.count / 2] ^= 1
    try folder.write("c/\(name)", bytes)
    let found = problems { _ = try read().run(output: folder.path("out.mio")) }
    #expect(found.contains { $0.file == name && $0.message.contains("CRC-32") }, "\(found)")
    #expect(!FileManager.default.fileExists(atPath: folder.path("out.mio")))
  }

  /// Hugging Face's cache calls a file by its digest, and a checkpoint is a folder of links to such files.
  @Test(arguments: [true, false]) func `a file that is called by its digest has it`(isWhole: Bool) throws {
    let name = "model-00001-of-00002.safetensors"
    var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(checkpoint)/\(name)")))
    let digest = Digest(of: bytes).description
    // A weight's last bit: nothing but the digest tells.
    if !isWhole { bytes[bytes.count - 4] ^= 1 }
    try folder.write("blobs/\(digest)", bytes)
    try FileManager.default.removeItem(atPath: "\(checkpoint)/\(name)")
    try FileManager.default.createSymbolicLink(atPath: "\(checkpoint)/\(name)", withDestinationPath: "../blobs/\(digest)")
    let found = problems { _ = try read().run(output: folder.path("out.mio")) }
    #expect(found.isEmpty == isWhole && found.allSatisfy { $0.file == name && $0.message.contains("SHA-256") }, "\(found)")
  }
}
