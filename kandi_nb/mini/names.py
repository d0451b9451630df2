"""The folders of the bundled checkpoints, under the publisher's names."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
INPAINT, DEPTH = "kandinsky-2-2-decoder-inpaint", "kandinsky-2-2-controlnet-depth"
PRIOR_21, DECODER_21 = "kandinsky-2-1-prior", "kandinsky-2-1"
INPAINT_21 = "kandinsky-2-1-inpaint"
KANDINSKY_3 = "kandinsky-3"
FAMILY = (PRIOR, DECODER, INPAINT, DEPTH, PRIOR_21, DECODER_21, INPAINT_21, KANDINSKY_3)
