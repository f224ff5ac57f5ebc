import CMioLite
import MioLite

// How the functions of the header find what they are given, and say what is missing.

/// Runs some work of a call; its sink is handed over also when the work fails.
func work(_ call: OpaquePointer?, _ sink: Sink, _ body: (inout Work) throws -> Void) -> mio_status {
  guard let call = unsafe Call.at(call) else { return mio_status(MIO_INVALID_INPUT) }
  return call.run {
    var work = Work(call, sink)
    defer { work.sink.finish() }
    try body(&work)
  }
}

/// Makes an object for C.
func make<Made: Handle>(
  _ call: OpaquePointer?, _ result: UnsafeMutablePointer<OpaquePointer?>?, _ body: (Call) throws(MioError) -> Made
) -> mio_status {
  unsafe result?.pointee = nil
  guard let call = unsafe Call.at(call) else { return mio_status(MIO_INVALID_INPUT) }
  return call.run {
    guard let result = unsafe result else { throw missing("the place for the result") }
    unsafe result.pointee = try body(call).handedOver()
  }
}

func required(_ words: UnsafePointer<CChar>?) throws(MioError) -> String {
  guard let words = unsafe utf8(words) else { throw missing("the text") }
  return words
}

func required(_ ids: UnsafePointer<Int32>?, _ count: Int) throws(MioError) -> [Int32] {
  guard let ids = unsafe array(ids, count) else { throw missing("the list of ids") }
  return ids
}

func required(_ model: OpaquePointer?) throws(MioError) -> Model {
  guard let model = unsafe OpenModel.at(model) else { throw missing("the model") }
  return model.model
}

func required(_ input: OpaquePointer?) throws(MioError) -> Input {
  guard let input = unsafe Input.at(input) else { throw missing("the input") }
  return input
}

func required(session: OpaquePointer?) throws(MioError) -> Session {
  guard let session = unsafe OpenSession.at(session) else { throw missing("the session") }
  return session.session
}
