import MioConverter
import MioFormat
import MioLite

/// What `--version` says. The file format has a version of its own.
enum Version {
  static let number = Conversion.programVersion

  static var text: String {
    guard let path = Model.demoPath else { return "mio-lite \(number)\nno model beside the program" }
    return "mio-lite \(number)\nshipped model: \(description(of: path) ?? path)"
  }

  /// What the model file at `path` says about itself.
  private static func description(of path: String) -> String? {
    try? ModelFile.open(path: path).component("generation")?.config.stringIfPresent("description")
  }
}
