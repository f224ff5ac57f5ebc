import Foundation
import MioFiles
import MioFormat

/// A checkpoint directory: small files by name, weights in any of the forms that transformers and torch write.
package struct CheckpointDirectory: Sendable {
  /// The longest configuration or tokenizer file that is read.
  package static let textLimit = 64_000_000

  /// The directory itself.
  package let path: String
  /// Keys of configuration files that the user wants passed over.
  package let ignoredSettings: Set<String>

  package init(path: String, ignoringSettings ignoredSettings: Set<String> = []) throws(ConversionError) {
    var status = stat()
    guard unsafe path.withSystemPath({ unsafe stat($0, &status) }) == 0 else {
      throw ConversionError(.notACheckpoint, file: path, "there is no such directory")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw ConversionError(.notACheckpoint, file: path, "not a directory; give the directory that holds config.json")
    }
    self.path = path
    self.ignoredSettings = ignoredSettings
  }

  /// Whether the checkpoint has a file of this name; folders inside it are separated by `/`.
  package func has(_ file: String) -> Bool { unsafe path(of: file).withSystemPath { unsafe access($0, F_OK) } == 0 }

  /// The path of a file of the checkpoint.
  package func path(of file: String) -> String { path + "/" + file }

  /// The bytes of a small file.
  package func bytes(_ file: String) throws(ConversionError) -> [UInt8] {
    guard has(file) else { throw ConversionError(.missingFile, file: file, "missing") }
    let mapping = try MappedFile.open(path(of: file), label: file)
    guard mapping.byteCount <= Self.textLimit else {
      throw ConversionError(.unreadable, file: file, "\(mapping.byteCount) bytes; at most \(Self.textLimit) are read")
    }
    return try mapping.read(0..<mapping.byteCount, label: file)
  }

  /// A JSON file.
  package func json(_ file: String) throws(ConversionError) -> JSON {
    let text = try bytes(file)
    do { return try JSON(parsing: text) } catch {
      throw ConversionError(.badJSON, file: file, "\(error.message) (byte \(error.byteOffset))")
    }
  }

  /// A JSON file whose value is an object.
  package func object(_ file: String) throws(ConversionError) -> JSON.Object {
    guard let object = try json(file).object else { throw ConversionError(.badJSON, file: file, "not a JSON object") }
    // What servers answer instead of a file that they do not have or do not give away.
    if object.keys.count <= 3, let message = object["error"]?.string {
      throw ConversionError(
        .wrongFile, file: file, "this is an error message (\"\(message.prefix(60))\"), not the file; download it again")
    }
    return object
  }

  /// The settings of a configuration file.
  func settings(_ file: String) throws(ConversionError) -> SettingsReader {
    SettingsReader(try object(file), file: file, ignoring: ignoredSettings)
  }

  /// The tensors of a file written by `torch.save`.
  package func torchTensors(_ file: String) throws(ConversionError) -> TensorSet {
    guard has(file) else { throw ConversionError(.missingFile, file: file, "missing") }
    return try TorchArchive.tensors(path: path(of: file), label: file).unwrapped()
  }

  /// The tensors of a safetensors file.
  package func safetensors(_ file: String) throws(ConversionError) -> TensorSet {
    guard has(file) else { throw ConversionError(.missingFile, file: file, "missing") }
    return try SafetensorsFile(path: path(of: file), label: file).tensors.unwrapped()
  }

  /// The forms that weights come in, the preferred first, as in transformers.
  private static let weightForms = [
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
  ]

  /// Whether there are language model weights, complete or not.
  package var hasLanguageWeights: Bool { Self.weightForms.contains(where: has) }

  /// The language model's tensors, under the names that transformers gives them, and the index of their files.
  package func languageTensors() throws(ConversionError) -> (tensors: TensorSet, index: String?) {
    let (tensors, index) = try storedLanguageTensors()
    return (try tensors.unwrapped().namedAsCausalModel(), index)
  }

  private func storedLanguageTensors() throws(ConversionError) -> (tensors: TensorSet, index: String?) {
    guard let form = Self.weightForms.first(where: has) else {
      throw ConversionError(
        .missingFile, file: Self.weightForms[0],
        "no weights; expected one of " + Self.weightForms.joined(separator: ", "))
    }
    switch form {
    case "model.safetensors": return (try safetensors(form), nil)
    case "pytorch_model.bin": return (try torchTensors(form), nil)
    case "model.safetensors.index.json":
      let tensors = try ShardIndex.tensors(self, index: form) { (path, label) throws(ConversionError) in
        try SafetensorsFile(path: path, label: label).tensors
      }
      return (tensors, form)
    default:
      let tensors = try ShardIndex.tensors(self, index: form) { (path, label) throws(ConversionError) in
        try TorchArchive.tensors(path: path, label: label)
      }
      return (tensors, form)
    }
  }
}
