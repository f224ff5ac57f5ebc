import Foundation

/// Starts threads, and says so where none can be started, which `Thread` does not.
enum WorkThread {
  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Runs `body` on a thread of its own, with as much stack as a main thread has.
  ///
  /// - Throws: ``MioError`` with code `.failed`.
  static func start(_ body: @escaping @Sendable () -> Void) throws(MioError) {
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setstacksize(&attributes, 8 << 20)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    var thread = pthread_t()
    let argument = unsafe Unmanaged.passRetained(Body(body)).toOpaque()
    let status = unsafe pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, argument)
    guard status != 0 else { return }
    unsafe Unmanaged<Body>.fromOpaque(argument).release()
    let reason = unsafe String(cString: strerror(status))
    throw MioError(.failed, "no thread can be started (\(reason)); close other programs, or raise the limit")
  }
}
