// swift-tools-version: 6.2
import PackageDescription

// One settings array for every Swift target of the package.
let swiftSettings: [SwiftSetting] = [
  .strictMemorySafety(),
  .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
  name: "mio-lite",
  products: [
    .library(name: "MioLite", targets: ["MioLite"]),
    // The demo model beside the program that uses it.
    .library(name: "MioLiteDemo", targets: ["MioLiteDemo"]),
    .executable(name: "mio-lite", targets: ["mio-lite"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
  ],
  targets: [
    // MARK: - System libraries
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CSndfile", pkgConfig: "sndfile", providers: [.apt(["libsndfile1-dev"])]),

    // MARK: - Foundations (the kernels and the format never import each other)
    // C11 kernels: pure functions over pointers, one file per instruction set, run-time dispatch.
    .target(name: "CMioKernels"),
    // Decodes and encodes images behind limits: stb_image, libjpeg-turbo, libwebp and libwebpdemux, which comes with it.
    .target(name: "CImages", linkerSettings: [.linkedLibrary("jpeg"), .linkedLibrary("webp"), .linkedLibrary("webpdemux")]),
    // The safe Swift face of the kernels, and the thread pool.
    .target(name: "MioKernels", dependencies: ["CMioKernels"], swiftSettings: swiftSettings),
    // Files that appear when they are complete; texts of system errors.
    .target(name: "MioFiles", swiftSettings: swiftSettings),
    // Reads, checks and writes `.mio` files; knows no networks.
    .target(name: "MioFormat", dependencies: ["CCrypto", "CLZ4", "MioFiles"], swiftSettings: swiftSettings),

    // MARK: - Networks and media
    // One folder per network, one file per component.
    .target(
      name: "MioModel", dependencies: ["MioFormat", "MioKernels"],
      exclude: [
        "Generation/MODEL.md", "Image/Diffusion/MODEL.md", "Image/Tokenizer/MODEL.md", "Language/MODEL.md",
        "Speech/MODEL.md", "Text/MODEL.md",
      ],
      swiftSettings: swiftSettings),
    // Sound files, resampling; images and videos.
    .target(name: "MioMedia", dependencies: ["CSndfile", "CImages", "MioFiles"], swiftSettings: swiftSettings),

    // MARK: - Front doors
    // The public API: open a model, speak, transcribe, chat.
    .target(
      name: "MioLite", dependencies: ["MioModel", "MioMedia", "MioFiles"], swiftSettings: swiftSettings),
    .target(
      name: "MioLiteDemo", dependencies: ["MioLite"], resources: [.copy("Resources/demo.mio")],
      swiftSettings: swiftSettings),
    // The C face: the header, and what is behind it. scripts/libmio links the library.
    .target(name: "CMioLite"),
    .target(name: "LibMio", dependencies: ["CMioLite", "MioLite"], swiftSettings: swiftSettings),
    // OpenAI's endpoints and Wyoming over a model, with a page of its own.
    .target(name: "CServerFiles", exclude: ["page.html", "openapi.json"]),
    .target(
      name: "MioServer",
      dependencies: [
        "CServerFiles", "MioLite", .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
      ], exclude: ["BATCH.md", "PAGE.md", "SERVER.md"], swiftSettings: swiftSettings),
    // Checkpoint directory in, `.mio` file out.
    .target(
      name: "MioConverter", dependencies: ["MioFiles", "MioFormat", "MioKernels", "MioModel"], path: "converter/MioConverter",
      swiftSettings: swiftSettings),
    // The command line: one file per subcommand.
    .executableTarget(
      name: "mio-lite",
      dependencies: [
        "MioLite", "MioLiteDemo", "MioServer", "MioModel", "MioMedia", "MioFormat", "MioKernels", "MioConverter",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: swiftSettings),

    // MARK: - Measuring
    // Checkpoints with random weights, at any size; tests make odd ones with it.
    .target(
      name: "MioCheckpoints", dependencies: ["MioConverter", "MioFiles", "MioKernels"], path: "bench/MioCheckpoints",
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "mio-checkpoint",
      dependencies: [
        "MioCheckpoints", "MioConverter", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], path: "bench/mio-checkpoint", swiftSettings: swiftSettings),

    // MARK: - Tests
    .target(
      name: "MioTestSupport", dependencies: ["MioFormat", "MioKernels", "MioModel", "MioConverter", "MioCheckpoints"],
      path: "Tests/MioTestSupport", swiftSettings: swiftSettings),
    // The parsers that scripts/fuzz tries; the program reads kept files with them.
    .target(
      name: "FuzzTargets", dependencies: ["MioConverter", "MioFormat", "MioLite", "MioMedia", "MioModel", "MioServer"],
      path: "Tests/Fuzz/Targets", swiftSettings: swiftSettings),
    .executableTarget(
      name: "mio-fuzz", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/mio-fuzz", swiftSettings: swiftSettings),
    .testTarget(
      name: "FuzzTests", dependencies: ["FuzzTargets", "MioTestSupport"], path: "Tests/Fuzz/Tests", swiftSettings: swiftSettings
    ),
    .testTarget(
      name: "MioKernelsTests", dependencies: ["CMioKernels", "MioKernels", "MioTestSupport"], swiftSettings: swiftSettings),
    .testTarget(
      name: "MioFormatTests", dependencies: ["MioFormat", "MioFiles", "MioKernels", "MioTestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MioModelTests", dependencies: ["MioConverter", "MioModel", "MioMedia", "MioTestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(name: "MioMediaTests", dependencies: ["MioMedia", "MioTestSupport"], swiftSettings: swiftSettings),
    .testTarget(
      name: "MioConverterTests", dependencies: ["MioConverter", "MioModel", "MioTestSupport", "MioCheckpoints"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MioLiteTests", dependencies: ["MioLite", "MioLiteDemo", "MioServer", "mio-lite", "MioTestSupport"],
      swiftSettings: swiftSettings
    ),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c11
)

// `MIO_DOCS=1 swift package generate-documentation`: who only builds the package does not fetch the plugin.
if Context.environment["MIO_DOCS"] != nil {
  package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
}
