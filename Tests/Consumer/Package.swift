// swift-tools-version: 6.2
import PackageDescription

// A package of somebody else: what the library looks like from outside. It needs no unsafe flags, and ships no model unless it
// asks for one.
let package = Package(
  name: "consumer",
  dependencies: [.package(name: "mio-lite", path: "../..")],
  targets: [
    .executableTarget(
      name: "consumer",
      dependencies: [
        .product(name: "MioLite", package: "mio-lite"), .product(name: "MioLiteDemo", package: "mio-lite"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
