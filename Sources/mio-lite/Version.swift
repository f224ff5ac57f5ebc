/// The version of the program; the file format has its own.
enum Version {
  static let number = "0.1.0"
  static let text = """
    mio-lite \(number)
    shipped model: demo model, about 7 M parameters, one voice, simple English; not MIO-7B
    """
}
