// What a hand does, noted by the page itself: pressing (a click or a drag), keys but for those
// that are only held, and texts that come without keys.
() => {
  const actions = (window.kandiActions = []);
  let byHand = false;
  const name = (part) => part?.ariaLabel || part?.textContent?.trim().slice(0, 30) || part?.className;
  const note = (kind, what) => { byHand = true; actions.push(`${kind} ${what}`); };
  const late = () => setTimeout(() => (byHand = false), 50);
  addEventListener('pointerdown', (event) => note('press', name(event.target)), true);
  addEventListener('keydown', (event) =>
      ['Control', 'Shift', 'Alt', 'Meta'].includes(event.key) || note('key', event.key), true);
  addEventListener('pointerup', late, true);
  addEventListener('keyup', late, true);
  addEventListener('input', (event) =>
    byHand || event.target.type === 'range' || actions.push(`fill ${name(event.target)}`), true);
}
