import Foundation

/// Keys as a terminal sends them, made ready for a line editor: what is pasted comes between two marks (bracketed paste), and
/// its line ends and tabs are text, not keys that send a line or complete a name.
struct PastedKeys {
  /// What asks a terminal for the marks, and what ends that.
  static let (on, off): (StaticString, StaticString) = ("\u{1B}[?2004h", "\u{1B}[?2004l")

  /// Whether the terminal has shown that it marks what is pasted.
  private(set) var hasPasted = false

  private static let start = Array("\u{1B}[200~".utf8)
  private static let end = Array("\u{1B}[201~".utf8)
  private static let (escape, tab, newline, carriageReturn): (UInt8, UInt8, UInt8, UInt8) = (0x1B, 9, 10, 13)
  /// The key that makes the next one text: ^V.
  private static let quote: Int32 = 0x16

  private var isPasting = false
  private var wasCarriageReturn = false
  /// Keys that wait to be given out, and bytes that were read too far.
  private var waiting: [Int32] = []
  private var unread: [UInt8] = []

  /// The next key, a Unicode scalar; nil at the end.
  ///
  /// An escape key waits for what follows it, as the editor's own keys do, so that nothing depends on when bytes arrive.
  ///
  /// - Parameter read: gives the next byte; nil at the end.
  mutating func next(_ read: () -> UInt8?) -> Int32? {
    while true {
      if !waiting.isEmpty { return waiting.removeFirst() }
      guard let byte = byte(read) else { return nil }
      if byte == Self.escape {
        if skip(isPasting ? Self.end : Self.start, read) {
          isPasting.toggle()
          hasPasted = true
        } else if !isPasting {
          return Int32(byte)
        }
      } else if isPasting {
        paste(byte, read)
      } else if let scalar = scalar(byte, read) {
        return scalar
      }
    }
  }

  private mutating func byte(_ read: () -> UInt8?) -> UInt8? { unread.isEmpty ? read() : unread.removeFirst() }

  /// Whether the rest of a mark follows its escape; if not, what was read is read again.
  private mutating func skip(_ mark: [UInt8], _ read: () -> UInt8?) -> Bool {
    var seen: [UInt8] = []
    for expected in mark.dropFirst() {
      guard let byte = byte(read) else { break }
      seen.append(byte)
      if byte != expected { break }
    }
    if seen.elementsEqual(mark.dropFirst()) { return true }
    unread = seen + unread
    return false
  }

  /// Terminals send a line end as a carriage return; other control characters have no business in a text.
  private mutating func paste(_ byte: UInt8, _ read: () -> UInt8?) {
    defer { wasCarriageReturn = byte == Self.carriageReturn }
    switch byte {
    case Self.newline where wasCarriageReturn: break
    case Self.newline, Self.carriageReturn: waiting += [Self.quote, Int32(Self.newline)]
    case Self.tab: waiting += [Self.quote, Int32(Self.tab)]
    case 0..<0x20, 0x7F: break
    default: if let scalar = scalar(byte, read) { waiting.append(scalar) }
    }
  }

  /// The character that a byte begins; nil if it is none.
  private mutating func scalar(_ first: UInt8, _ read: () -> UInt8?) -> Int32? {
    if first < 0x80 { return Int32(first) }
    let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 1
    var bytes = [first]
    while bytes.count < length, let byte = byte(read) {
      guard byte & 0xC0 == 0x80 else {
        unread = [byte] + unread
        return nil
      }
      bytes.append(byte)
    }
    let text = String(validating: bytes, as: UTF8.self)
    return text?.unicodeScalars.first.map { Int32(bitPattern: $0.value) }
  }
}
