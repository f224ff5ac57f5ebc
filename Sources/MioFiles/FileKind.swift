/// What the first bytes of a file say it is: the things people get instead of weights and settings.
///
/// Downloads fail quietly: a file of the right name then holds a pointer, an error page, or nothing but zeros.
package enum FileKind: Equatable {
  /// A pointer that Git-LFS, or Hugging Face's Xet storage, leaves until the file itself is fetched.
  case pointer(String)
  /// A page for browsers, XML included.
  case page
  case gguf
  /// Packed or archived by a program of that name.
  case packed(String)
  case hdf5
  /// The first bytes of the file are all zero.
  case zeros
  /// Something people can read; its first line.
  case text(String)
  /// Begins like a JSON value.
  case json
  case zip
  case safetensors
  case other

  /// As many bytes are looked at.
  package static let headLength = 4096

  /// - Parameter head: the first `headLength` bytes of the file, or all of a shorter one.
  package init(_ head: [UInt8]) {
    func starts(_ bytes: [UInt8], at offset: Int = 0) -> Bool { head.dropFirst(offset).starts(with: bytes) }
    func starts(_ text: String) -> Bool { starts(Array(text.utf8)) }
    let text = Self.trimmed(head)
    let lowercase = text.prefix(64).map { (65...90).contains($0) ? $0 + 32 : $0 }
    func says(_ word: String) -> Bool { lowercase.starts(with: Array(word.utf8)) }
    if head.allSatisfy({ $0 == 0 }) {
      self = .zeros
    } else if starts("version https://git-lfs.github.com/spec/") || starts("version https://hawser.github.com/spec/") {
      self = .pointer("Git-LFS")
    } else if starts("# xet version ") {
      self = .pointer("Xet")
    } else if says("<!doctype") || says("<html") || says("<?xml") || says("<head") || says("<error") {
      self = .page
    } else if starts("GGUF") {
      self = .gguf
    } else if let program = Self.packers.first(where: { starts($0.magic, at: $0.offset) })?.program {
      self = .packed(program)
    } else if starts([0x89] + Array("HDF\r\n".utf8)) {
      self = .hdf5
    } else if starts([0x50, 0x4B, 3, 4]) {
      self = .zip
    } else if head.count > 8, head[8] == UInt8(ascii: "{"), head[5..<8].allSatisfy({ $0 == 0 }) {
      self = .safetensors
    } else if let line = Self.line(of: text) {
      self = text.first.map { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "[") } == true ? .json : .text(line)
    } else {
      self = .other
    }
  }

  private static let packers: [(program: String, offset: Int, magic: [UInt8])] = [
    ("gzip", 0, [0x1F, 0x8B]), ("xz", 0, [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]), ("zstd", 0, [0x28, 0xB5, 0x2F, 0xFD]),
    ("bzip2", 0, Array("BZh".utf8)), ("7z", 0, [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]), ("tar", 257, Array("ustar".utf8)),
  ]

  /// Without a byte order mark and white space before it.
  private static func trimmed(_ head: [UInt8]) -> ArraySlice<UInt8> {
    let marked = head.starts(with: [0xEF, 0xBB, 0xBF]) ? head.dropFirst(3) : head[...]
    return marked.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
  }

  /// The beginning of the first line, if everything in the head is text.
  private static func line(of text: ArraySlice<UInt8>) -> String? {
    guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || [0x09, 0x0A, 0x0D].contains($0) }) else { return nil }
    // The head may end within a character; what replaces its bytes is no mistake of the file.
    let decoded = String(decoding: text, as: UTF8.self)
    guard !decoded.unicodeScalars.dropLast(3).contains("\u{FFFD}") else { return nil }
    return String(decoded.prefix { !$0.isNewline }.prefix(60))
  }

  /// What a file is meant to hold: a model, sound or images, or a part of a checkpoint, by its name.
  package enum Purpose {
    case model, media, settings, safetensors, torch, sentencePiece

    package init?(_ name: String) {
      if name.hasSuffix(".json") {
        self = .settings
      } else if name.hasSuffix(".safetensors") {
        self = .safetensors
      } else if name.hasSuffix(".bin") || name.hasSuffix(".pt") || name.hasSuffix(".pth") {
        self = .torch
      } else if name.hasSuffix(".model") {
        self = .sentencePiece
      } else {
        return nil
      }
    }
  }

  /// Why a file of this kind cannot serve the purpose, and what to do; nil if it may.
  package func complaint(for purpose: Purpose) -> String? {
    let again = "download it again"
    switch self {
    case .zeros: return "the file begins with nothing but zeros, as an interrupted download leaves it; \(again)"
    case .pointer("Git-LFS"): return "this is a Git-LFS pointer, not the file itself: run git lfs pull"
    case .pointer(let name): return "this is a \(name) pointer, not the file itself; \(again)"
    case .page: return "this is a web page, probably an error message, not the file itself; \(again)"
    case .gguf: return "this is a GGUF file of llama.cpp; give the checkpoint that it was made from"
    case .packed(let program): return "this is a file packed with \(program); unpack it first"
    case .hdf5: return "this is an HDF5 file, as TensorFlow writes; give the checkpoint for PyTorch"
    case .text(let line) where purpose == .settings: return "this is text (\"\(line)\"), not JSON; \(again)"
    case .text(let line):
      return "this is text (\"\(line)\"), probably an error message, not the file itself; \(again)"
    case .json where purpose != .settings:
      return "this is JSON, probably an error message, not the file itself; \(again)"
    case .zip where purpose == .safetensors:
      return "this is a file of PyTorch, not of safetensors; name it pytorch_model.bin"
    case .zip where purpose == .model, .safetensors where purpose == .model:
      return "this is a part of a checkpoint; mio-lite convert makes a model of the whole folder"
    case .safetensors where purpose == .torch:
      return "this is a safetensors file, not one of PyTorch; name it model.safetensors"
    case .zip where purpose != .torch: return "this is a zip archive; unpack it first"
    case .safetensors where purpose != .safetensors: return "this is a safetensors file; it has another file's name"
    default: return nil
    }
  }
}
