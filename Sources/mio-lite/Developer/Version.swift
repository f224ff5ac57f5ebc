import MioConverter
import MioLiteDemo

/// What `--version` says. The file format has a version of its own.
enum Version {
  static let number = Conversion.programVersion

  /// What the parser takes for the version; ``Main`` says ``text`` in its place, which opens the shipped model.
  static let name = "mio-lite \(number)"

  static var text: String {
    guard let url = DemoModel.url else { return "\(name)\nno model beside the program" }
    return "\(name)\nshipped model: \((try? DemoModel.open())?.about ?? url.path)"
  }
}
