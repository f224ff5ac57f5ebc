/// Why a checkpoint cannot be converted: every problem that was found, not only the first.
package struct ConversionError: Error, Hashable, Sendable {
  /// What kind of problem it is; more kinds may come.
  package struct Code: Hashable, Sendable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }

    /// The directory holds nothing that can be converted.
    package static let notACheckpoint = Code("notACheckpoint")
    /// A file that the checkpoint needs is absent.
    package static let missingFile = Code("missingFile")
    /// A file cannot be opened or read.
    package static let unreadable = Code("unreadable")
    /// A file holds something else than its name says: a Git-LFS pointer, a web page, nothing but zeros.
    package static let wrongFile = Code("wrongFile")
    /// A file holds other bytes than its checksum was taken of.
    package static let damagedFile = Code("damagedFile")
    /// A file is not valid JSON, or not the JSON expected.
    package static let badJSON = Code("badJSON")
    /// A safetensors file breaks its format.
    package static let badSafetensors = Code("badSafetensors")
    /// A PyTorch archive breaks its format.
    package static let badArchive = Code("badArchive")
    /// A pickle names something other than tensors.
    package static let forbiddenPickle = Code("forbiddenPickle")
    /// A PyTorch file from before version 1.6.
    package static let legacyPickle = Code("legacyPickle")
    /// The tokenizer files are damaged or contradict each other.
    package static let badTokenizer = Code("badTokenizer")
    /// Two files, or a file and its index, disagree.
    package static let badIndex = Code("badIndex")
    /// A tensor that the component needs is absent.
    package static let missingTensor = Code("missingTensor")
    /// A tensor that no component knows.
    package static let extraTensor = Code("extraTensor")
    /// A tensor of another shape than the configuration says.
    package static let wrongShape = Code("wrongShape")
    /// A tensor of a type that is not 16- or 32-bit floating point.
    package static let wrongType = Code("wrongType")
    /// A setting that this version does not understand.
    package static let unsupported = Code("unsupported")
    /// A weight that is NaN, infinite or too large for the chosen encoding.
    package static let badWeight = Code("badWeight")
    /// The output cannot be written.
    package static let output = Code("output")
    /// The caller asked to stop.
    package static let cancelled = Code("cancelled")
  }

  /// One thing that is wrong, where, and what to do about it.
  package struct Problem: Hashable, Sendable, CustomStringConvertible {
    package let code: Code
    /// The file at fault, relative to the checkpoint where there is one.
    package let file: String
    /// The tensor at fault.
    package let tensor: String?
    /// What is wrong, and the way out where there is one.
    package let message: String

    package init(_ code: Code, file: String, tensor: String? = nil, _ message: String) {
      self.code = code
      self.file = file
      self.tensor = tensor
      self.message = message
    }

    package var description: String {
      tensor.map { "\(file): \($0): \(message)" } ?? "\(file): \(message)"
    }
  }

  /// At least one problem, in the order in which a reader would fix them.
  package let problems: [Problem]

  package init(_ problems: [Problem]) {
    precondition(!problems.isEmpty, "an error needs a problem")
    self.problems = problems
  }

  package init(_ code: Code, file: String, tensor: String? = nil, _ message: String) {
    self.init([Problem(code, file: file, tensor: tensor, message)])
  }
}

extension ConversionError: CustomStringConvertible {
  private static let shownCount = 8

  /// One line for each of the first problems, and how many there are more.
  package var description: String {
    let more = problems.count - Self.shownCount
    return problems.prefix(Self.shownCount).map(\.description).joined(separator: "\n")
      + (more > 0 ? "\nand \(more) problem\(more == 1 ? "" : "s") more" : "")
  }
}
