import MioConverter
import MioLiteDemo

/// What `--version` says. The file format has a version of its own.
enum Version {
  static let number = Conversion.programVersion

  static var text: String {
    guard let url = DemoModel.url else { return "mio-lite \(number)\nno model beside the program" }
    return "mio-lite \(number)\nshipped model: \((try? DemoModel.open())?.about ?? url.path)"
  }
}
