"""Draws shares of the machine's limit as bars, in SVG."""
from xml.sax.saxutils import escape

COLOURS = {"mio-lite": "#0f766e", "ik_llama.cpp": "#d97706", "llama.cpp": "#94a3b8"}
ORDER = list(COLOURS)
INK, MUTED, RULE, PAPER = "#1e293b", "#64748b", "#e2e8f0", "#ffffff"
LEFT, WIDTH, RIGHT = 232, 500, 88
TOP, BAR, BETWEEN, GAP, BOTTOM = 92, 12, 3, 14, 48
FONT = "-apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


def text(x, y, words, size=12, colour=INK, anchor="start", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def legend():
    parts, x = [], LEFT
    for name in ORDER:
        parts.append(f'<rect x="{x}" y="57" width="12" height="12" rx="2" fill="{COLOURS[name]}"/>')
        parts.append(text(x + 18, 67.5, name))
        x += 40 + 7 * len(name)
    return parts


def grid(bottom):
    parts = []
    for percent in range(0, 101, 20):
        x = LEFT + WIDTH * percent / 100
        parts.append(line(x, TOP - 8, x, bottom, MUTED if percent in (0, 100) else RULE))
        parts.append(text(x, bottom + 18, f"{percent} %", 11, MUTED, "middle"))
    return parts


def bar(y, name, share, ends, label):
    """A bar with a line from the lowest to the highest measurement."""
    width = WIDTH * min(share, 1.1)
    low, high = (LEFT + WIDTH * min(end, 1.1) for end in ends)
    middle = y + BAR / 2
    parts = [f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" fill="{COLOURS[name]}"/>']
    if high - low > 1:
        parts.append(line(low, middle, high, middle, INK, 1.2))
        parts += [line(x, middle - 3, x, middle + 3, INK, 1.2) for x in (low, high)]
    parts.append(text(max(LEFT + width, high) + 6, y + BAR - 2, label, 11, MUTED))
    return parts


def svg(rows, title, subtitle):
    """`rows`: [(label, {program: (share, (lowest, highest), text)})], top to bottom."""
    parts, y = [], TOP
    for label, bars in rows:
        height = len(bars) * (BAR + BETWEEN) - BETWEEN
        parts.append(text(LEFT - 10, y + height / 2 + 4, label, 12, INK, "end"))
        for name in ORDER:
            if name in bars:
                parts += bar(y, name, *bars[name])
                y += BAR + BETWEEN
        y += GAP - BETWEEN
    bottom = y - GAP + 8
    width, height = LEFT + WIDTH + RIGHT, bottom + BOTTOM
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" width="{width}" '
        f'height="{height:.0f}" font-family="{FONT}" role="img" aria-label="{escape(title)}">',
        f'<rect width="{width}" height="{height:.0f}" fill="{PAPER}"/>',
        text(16, 26, title, 16, INK, weight="600"), text(16, 45, subtitle, 12, MUTED), *legend(), *grid(bottom),
        text(LEFT, bottom + 36, "Numbers: tokens per second. Lines: from the lowest to the highest.", 11, MUTED),
    ]
    return "\n".join(head + parts + ["</svg>", ""])
