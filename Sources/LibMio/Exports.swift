import CMioLite
import Foundation
import MioLite

// The functions of the header, which describes them. Each one finds the objects behind its pointers and hands over to them.

// MARK: - Calls

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_version")
#endif
public func mio_version() -> UnsafePointer<CChar>? {
  unsafe constant("0.2.0")
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_call_new")
#endif
public func mio_call_new() -> OpaquePointer? {
  unsafe Call().handedOver()
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_call_free")
#endif
public func mio_call_free(_ call: OpaquePointer?) {
  unsafe Call.release(call)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_set_int")
#endif
public func mio_set_int(_ call: OpaquePointer?, _ option: mio_option, _ value: Int64) -> mio_status {
  unsafe Call.at(call)?.set { $0.set(option, value) } ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_set_real")
#endif
public func mio_set_real(_ call: OpaquePointer?, _ option: mio_option, _ value: Double) -> mio_status {
  unsafe Call.at(call)?.set { $0.set(option, value) } ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_set_text")
#endif
public func mio_set_text(_ call: OpaquePointer?, _ option: mio_option, _ value: UnsafePointer<CChar>?) -> mio_status {
  let text = unsafe utf8(value)
  guard let call = unsafe Call.at(call), unsafe value == nil || text != nil else { return mio_status(MIO_INVALID_INPUT) }
  return call.set { $0.set(option, text) }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_cancel")
#endif
public func mio_cancel(_ call: OpaquePointer?) {
  unsafe Call.at(call)?.cancel()
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_error")
#endif
public func mio_error(_ call: OpaquePointer?) -> UnsafePointer<CChar>? {
  unsafe Call.at(call)?.errorText ?? constant("the call is NULL")
}

// MARK: - Models

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_model_open")
#endif
public func mio_model_open(
  _ call: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe make(call, model) { call throws(MioError) in
    guard let url = unsafe fileURL(path) else { throw missing("the path of the model") }
    return try call.open { options throws(MioError) in try Model(contentsOf: url, options: options) }
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_model_open_bytes")
#endif
public func mio_model_open_bytes(
  _ call: OpaquePointer?, _ bytes: UnsafeRawPointer?, _ count: Int, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe make(call, model) { call throws(MioError) in
    guard let bytes = unsafe array(bytes?.assumingMemoryBound(to: UInt8.self), count) else {
      throw missing("the model's bytes")
    }
    return try call.open { options throws(MioError) in try Model(bytes: bytes, options: options) }
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_model_free")
#endif
public func mio_model_free(_ model: OpaquePointer?) {
  unsafe OpenModel.release(model)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_model_int")
#endif
public func mio_model_int(_ model: OpaquePointer?, _ property: mio_property) -> Int64 {
  unsafe OpenModel.at(model)?.property(property) ?? -1
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_model_about")
#endif
public func mio_model_about(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  unsafe OpenModel.at(model)?.aboutText ?? constant("")
}

// MARK: - Inputs

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_new")
#endif
public func mio_input_new() -> OpaquePointer? {
  unsafe Input().handedOver()
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_free")
#endif
public func mio_input_free(_ input: OpaquePointer?) {
  unsafe Input.release(input)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_text")
#endif
public func mio_input_add_text(_ input: OpaquePointer?, _ words: UnsafePointer<CChar>?) -> mio_status {
  unsafe Input.at(input)?.add(utf8(words).map(InputPart.text)) ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_file")
#endif
public func mio_input_add_file(_ input: OpaquePointer?, _ media: mio_media, _ path: UnsafePointer<CChar>?) -> mio_status {
  unsafe Input.at(input)?.add(InputPart.file(media, path)) ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_audio")
#endif
public func mio_input_add_audio(_ input: OpaquePointer?, _ samples: UnsafePointer<Float>?, _ count: Int, _ sample_rate: Int32)
  -> mio_status
{
  unsafe Input.at(input)?.add(InputPart.sound(samples, count, sample_rate)) ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_image")
#endif
public func mio_input_add_image(_ input: OpaquePointer?, _ rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32)
  -> mio_status
{
  unsafe Input.at(input)?.add(images(rgb, width, height)?.first.map(InputPart.image)) ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_video")
#endif
public func mio_input_add_video(
  _ input: OpaquePointer?, _ rgb: UnsafePointer<UInt8>?, _ width: Int32, _ height: Int32, _ frames: Int
) -> mio_status {
  unsafe Input.at(input)?.add(images(rgb, width, height, frames).map { .video(Video(frames: $0)) })
    ?? mio_status(MIO_INVALID_INPUT)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_input_add_codes")
#endif
public func mio_input_add_codes(_ input: OpaquePointer?, _ codes: UnsafePointer<Int32>?, _ codebooks: Int, _ count: Int)
  -> mio_status
{
  unsafe Input.at(input)?.add(InputPart.codes(codes, codebooks: codebooks, count: count)) ?? mio_status(MIO_INVALID_INPUT)
}

// MARK: - Outputs

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_output_free")
#endif
public func mio_output_free(_ output: OpaquePointer?) {
  unsafe Output.release(output)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_output_count")
#endif
public func mio_output_count(_ output: OpaquePointer?) -> Int {
  unsafe Output.at(output)?.count ?? 0
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_output_event")
#endif
public func mio_output_event(_ output: OpaquePointer?, _ index: Int) -> UnsafePointer<mio_event>? {
  unsafe Output.at(output)?[index]
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_save")
#endif
public func mio_save(_ call: OpaquePointer?, _ event: UnsafePointer<mio_event>?, _ path: UnsafePointer<CChar>?) -> mio_status {
  guard let call = unsafe Call.at(call) else { return mio_status(MIO_INVALID_INPUT) }
  return call.run {
    guard let url = unsafe fileURL(path) else { throw missing("the path to save to") }
    guard let event = unsafe event else { throw missing("the event") }
    // One of another version may be shorter or longer.
    var known = unsafe mio_event()
    unsafe memcpy(&known, event, min(event.pointee.size, MemoryLayout<mio_event>.size))
    try unsafe call.save(known, to: url)
  }
}

// MARK: - Work

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_speak")
#endif
public func mio_speak(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ words: UnsafePointer<CChar>?, _ voice: OpaquePointer?,
  _ event: mio_event_fn?, _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.speak(required(words), required(model), voice: Input.at(voice))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_transcribe")
#endif
public func mio_transcribe(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ input: OpaquePointer?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: false)) { work in
    try unsafe work.transcribe(required(input), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_perform")
#endif
public func mio_perform(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ task: UnsafePointer<CChar>?, _ input: OpaquePointer?,
  _ event: mio_event_fn?, _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.perform(required(task), required(input), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_draw")
#endif
public func mio_draw(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ words: UnsafePointer<CChar>?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.draw(.imageGeneration, [.text(required(words))], required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_edit")
#endif
public func mio_edit(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ input: OpaquePointer?, _ instruction: UnsafePointer<CChar>?,
  _ event: mio_event_fn?, _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.edit(required(input), required(instruction), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_encode")
#endif
public func mio_encode(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ input: OpaquePointer?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.encode(required(input), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_decode")
#endif
public func mio_decode(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ input: OpaquePointer?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.decode(required(input), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_tokenize")
#endif
public func mio_tokenize(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ words: UnsafePointer<CChar>?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.tokenize(required(words), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_detokenize")
#endif
public func mio_detokenize(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.detokenize(required(ids, count), required(model))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_generate")
#endif
public func mio_generate(
  _ call: OpaquePointer?, _ model: OpaquePointer?, _ ids: UnsafePointer<Int32>?, _ count: Int, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.generate(required(ids, count), required(model))
  }
}

// MARK: - Conversations

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_session_new")
#endif
public func mio_session_new(_ call: OpaquePointer?, _ model: OpaquePointer?, _ session: UnsafeMutablePointer<OpaquePointer?>?)
  -> mio_status
{
  unsafe make(call, session) { call throws(MioError) in try unsafe call.session(required(model)) }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_session_free")
#endif
public func mio_session_free(_ session: OpaquePointer?) {
  unsafe OpenSession.release(session)
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_respond")
#endif
public func mio_respond(
  _ call: OpaquePointer?, _ session: OpaquePointer?, _ input: OpaquePointer?, _ event: mio_event_fn?,
  _ user: UnsafeMutableRawPointer?, _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.respond(required(input), required(session: session))
  }
}

#if compiler(>=6.3)
  @c @implementation
#else
  @_cdecl("mio_session_snapshot")
#endif
public func mio_session_snapshot(
  _ call: OpaquePointer?, _ session: OpaquePointer?, _ event: mio_event_fn?, _ user: UnsafeMutableRawPointer?,
  _ output: UnsafeMutablePointer<OpaquePointer?>?
) -> mio_status {
  unsafe work(call, Sink(event, user, output, joins: true)) { work in
    try unsafe work.snapshot(required(session: session))
  }
}
