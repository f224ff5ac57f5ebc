extension ImageTokenizerConfig {
  /// Multiplications and additions from pixels to codes; each pair counts once.
  package var encoderMultiplyAdds: Int {
    let (t, e, q, w) = (tokenCount, visionWidth, queryCount, queryWidth)
    var cost = (t - 1) * patchLength * e
    cost += visionLayerCount * (t * (4 * e * e + 2 * e * visionInnerWidth) + 2 * t * t * e)
    cost += queryLayerCount * (q * (4 * w * w + 2 * w * queryInnerWidth) + 2 * q * q * w)
    cost += (queryLayerCount + 1) / 2 * (2 * q * w * w + 2 * t * e * w + 2 * q * t * w)
    return cost + q * (w * w + w * codeWidth + codebookSize * codeWidth)
  }
}
