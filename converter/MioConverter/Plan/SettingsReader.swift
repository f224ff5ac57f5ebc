/// Reads the settings of a JSON object and collects everything that is wrong with them.
struct SettingsReader {
  private let object: JSON.Object
  let file: String
  /// Keys that the user wants passed over.
  let ignored: Set<String>
  /// Keys that were read so far.
  private(set) var used: Set<String> = []
  private(set) var problems: [ConversionError.Problem] = []

  init(_ object: JSON.Object, file: String, ignoring ignored: Set<String> = []) {
    self.object = object
    self.file = file
    self.ignored = ignored
  }

  /// The keys of the file, in its order.
  var keys: [String] { object.keys }

  /// A value without marking its key as read.
  func value(_ key: String) -> JSON { object[key] ?? .null }

  /// The value of a key; nil if it is absent or null.
  subscript(_ key: String) -> JSON? {
    mutating get {
      used.insert(key)
      return object[key].flatMap { $0.isNull ? nil : $0 }
    }
  }

  /// Far above any size of a network, far below where products of two could overflow.
  static let countLimit = 1 << 24

  mutating func refuse(_ key: String, _ message: String) {
    problems.append(.init(.unsupported, file: file, "\(key): \(message)"))
  }

  /// A size or number of things, at least one. A value of 1 stands in for what is wrong.
  mutating func count(_ key: String, default absent: Int? = nil) -> Int {
    guard let value = self[key] else {
      if absent == nil { refuse(key, "missing") }
      return absent ?? 1
    }
    guard let number = value.integer, number >= 1, number <= Self.countLimit else {
      refuse(key, "expected a whole number from 1 to \(Self.countLimit)")
      return 1
    }
    return number
  }

  /// A positive number.
  mutating func number(_ key: String, default absent: Double) -> Double {
    guard let value = self[key] else { return absent }
    guard let number = value.double, number > 0 else {
      refuse(key, "expected a positive number")
      return absent
    }
    return number
  }

  mutating func flag(_ key: String, default absent: Bool) -> Bool {
    guard let value = self[key] else { return absent }
    guard let flag = value.bool else {
      refuse(key, "expected true or false")
      return absent
    }
    return flag
  }

  /// Refuses any text but `expected`; absence means it.
  mutating func expect(_ key: String, _ expected: String) {
    guard let value = self[key], value.string != expected else { return }
    refuse(key, "only \"\(expected)\" is supported" + (value.string.map { ", found \"\($0)\"" } ?? ""))
  }

  mutating func expectAbsent(_ key: String, _ message: String) {
    if self[key] != nil { refuse(key, message) }
  }

  mutating func expectFalse(_ key: String, _ message: String) {
    if flag(key, default: false) { refuse(key, message) }
  }
}
