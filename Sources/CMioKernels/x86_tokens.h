// Which loop of the integer products on x86-64 serves how many rows of activations. The including file defines `Format`,
//
//   FEW_TOKENS     rows up to which memory is the limit, 4 or 8
//   SIDE_BY_SIDE   panels times rows whose sums stay in registers
//   few_tokens     (format, panels side by side, rows, way of asking, weights, panel, x, y), the first four being constants
//   many_tokens    (format, weights, x, y)

/// As many panels side by side as are asked for and keep the sums in registers, then the rest. Only four are `left` alone.
INLINE void panels_of_few(
    Format format, int tokens, mio_asking asking, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  const mio_asking of_fewer = asking == LEFT_TO_PROCESSOR ? INTO_CACHES : asking;
  size_t panel = 0;
  if (4 * tokens <= SIDE_BY_SIDE && weights.streaming.panels >= 4) {
    for (; panel + 4 <= weights.panel_count; panel += 4) few_tokens(format, 4, tokens, asking, weights, panel, x, y);
  }
  if (2 * tokens <= SIDE_BY_SIDE && weights.streaming.panels >= 2) {
    for (; panel + 2 <= weights.panel_count; panel += 2) few_tokens(format, 2, tokens, of_fewer, weights, panel, x, y);
  }
  for (; panel < weights.panel_count; panel++) few_tokens(format, 1, tokens, of_fewer, weights, panel, x, y);
}

INLINE void multiply_few(Format format, int tokens, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  if (weights.streaming.past_caches) return panels_of_few(format, tokens, PAST_CACHES, weights, x, y);
  if (4 * tokens <= SIDE_BY_SIDE && weights.streaming.groups_ahead == 0) {
    return panels_of_few(format, tokens, LEFT_TO_PROCESSOR, weights, x, y);
  }
  panels_of_few(format, tokens, INTO_CACHES, weights, x, y);
}

INLINE void multiply(Format format, mio_panels weights, const mio_quantized_rows *x, mio_target y) {
  switch (x->tokens) { // one body per number keeps the sums in registers
    case 1: return multiply_few(format, 1, weights, x, y);
    case 2: return multiply_few(format, 2, weights, x, y);
    case 3: return multiply_few(format, 3, weights, x, y);
    case 4: return multiply_few(format, 4, weights, x, y);
#if FEW_TOKENS > 4
    case 5: return multiply_few(format, 5, weights, x, y);
    case 6: return multiply_few(format, 6, weights, x, y);
    case 7: return multiply_few(format, 7, weights, x, y);
    case 8: return multiply_few(format, 8, weights, x, y);
#endif
    default: return many_tokens(format, weights, x, y);
  }
}
