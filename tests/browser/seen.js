// What can hardly be told from what is behind it: texts below 4.5 : 1, and edges of what somebody
// sets below 3 : 1, by the colours that the browser computed.
() => {
  const numbers = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((part, n) => part * a + below[n] * (1 - a));
  const behind = (part) => {
    if (!part) return [255, 255, 255];
    const own = numbers(getComputedStyle(part).backgroundColor);
    const opaque = own.length === 3 || own[3] === 1;
    return opaque ? own.slice(0, 3) : over(own, behind(part.parentElement));
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
    return (bright + 0.05) / (dark + 0.05);
  };
  const seen = (part) => part.getClientRects().length && getComputedStyle(part).visibility === "visible";
  const off = (part) => part.closest("[aria-disabled=true], :disabled, [aria-hidden=true], .kandi-toured");
  const named = (part) => `${part.tagName}.${part.className} ${(part.ariaLabel || part.textContent || "").slice(0, 30)}`;
  const faults = [];
  const looked = { texts: 0, borders: 0 };

  const main = document.querySelector(".kandi-studio");
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const part = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(part) || off(part)) continue;
    if (["SCRIPT", "STYLE"].includes(part.tagName) || part.closest("svg, .kandi-tag")) continue;
    looked.texts++;
    const below = behind(part);
    const ratio = contrast(over(numbers(getComputedStyle(part).color), below), below);
    if (ratio < 4.49) faults.push(`text ${ratio.toFixed(2)} ${named(part)}`);
  }
  const set = "textarea, input[type=text], input:not([type]), select, .kandi-segments, .kandi-input, .kandi-pad, .kandi-handle, .kandi-edge";
  for (const part of main.querySelectorAll(set)) {
    if (!seen(part) || off(part)) continue;
    looked.borders++;
    const style = getComputedStyle(part);
    const around = behind(part.parentElement);
    const edge = parseFloat(style.borderTopWidth) ? numbers(style.borderTopColor) : numbers(style.backgroundColor);
    if (parseFloat(style.borderTopWidth) === 0 && edge[3] === 0) continue; // painted otherwise
    const ratio = Math.max(contrast(over(edge, around), around), contrast(behind(part), around));
    if (ratio < 2.99) faults.push(`edge ${ratio.toFixed(2)} ${named(part)}`);
  }
  return [looked, [...new Set(faults)]];
}
