import MioTestSupport
import Testing

@Suite struct SkeletonTests {
  @Test func `finds the goldens`() {
    #expect(Goldens.speech("expected").isFileURL)
  }
}
