"""Grids, comparisons and plots: right pictures at the right places, labels without boxes."""

import base64
import html.parser
import io

import numpy as np
import pytest
from calls import refusal
from PIL import Image

from kandi_nb.pictures import fonts
from kandi_nb.pictures.grid import compare, grid, plot
from kandi_nb.pictures.result import Result
from kandi_nb.words.params import Params

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def picture(colour=RED, size=(64, 64)):
    return Image.new("RGB", size, colour)


def result(prompt="a cat", count=2):
    return Result([picture() for _ in range(count)], Params(prompt, count=count).singles(), "m")


class Page(html.parser.HTMLParser):
    """Read a grid's table back: rows of cells, each with its image's attributes and text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows, self.tags, self.caption, self._at = [], [], "", None
        self.all = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.all.append((tag, attrs))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append({"kind": tag, "text": "", "img": None})
        elif tag == "img":
            self.rows[-1][-1]["img"] = dict(attrs)
        self._at = tag

    def handle_data(self, data):
        if self._at == "caption":
            self.caption += data
        else:
            self.rows[-1][-1]["text"] += data

    def picture(self, row, column):
        source = self.rows[row][column]["img"]["src"]
        assert source.startswith("data:image/png;base64,")
        return Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1])))


def test_html_holds_every_picture_with_its_label_and_alt_text():
    colours = [RED, GREEN, BLUE]
    labels = ['a <b>cat</b> & "co"', "Красная лиса", "雪林中的红狐狸"]
    page = Page(grid([picture(c) for c in colours], labels)._repr_html_())
    assert len(page.rows) == 1 and len(page.rows[0]) == 3
    for n in range(3):
        assert page.rows[0][n]["text"] == page.rows[0][n]["img"]["alt"] == labels[n]
        assert page.picture(0, n).getpixel((5, 5)) == colours[n]
    assert "b" not in page.tags


def test_row_and_column_labels():
    made = grid([picture()] * 6, rows=["en", "ru"], cols=["seed 0", "seed 1", "seed 2"])
    page = Page(made._repr_html_())
    assert [[c["text"] for c in row if c["kind"] == "th"] for row in page.rows] == [
        ["seed 0", "seed 1", "seed 2"], ["en"], ["ru"],
    ]  # fmt: skip
    assert page.rows[2][3]["img"]["alt"] == "ru, seed 2"
    assert [len(row) for row in page.rows] == [4, 4, 4]


def test_pictures_without_a_label_are_numbered_for_screen_readers():
    page = Page(grid([picture()] * 3, columns=2)._repr_html_())
    alts = [c["img"]["alt"] for row in page.rows for c in row if c["img"]]
    assert alts == ["picture 1", "picture 2", "picture 3"]


@pytest.mark.parametrize(
    ("count", "more", "shape"),
    [
        (1, {}, (1, 1)), (4, {}, (1, 4)), (6, {}, (2, 3)), (7, {}, (2, 4)), (15, {}, (3, 5)),
        (7, {"columns": 3}, (3, 3)), (3, {"columns": 9}, (1, 3)),
        (6, {"rows": ["a", "b", "c"]}, (3, 2)),
        (5, {"cols": ["a", "b"]}, (3, 2)), (2, {"rows": np.array(["a", "b"])}, (2, 1)),
    ],
)  # fmt: skip
def test_layout(count, more, shape):
    made = grid([picture()] * count, **more)
    assert (len(made.cells), len(made.cells[0])) == shape
    assert len(made) == count
    assert {len(row) for row in made.cells} == {len(row) for row in made.labels} == {shape[1]}


def test_ragged_rows_and_a_matrix_of_labels():
    images = [[picture()], [picture(GREEN), picture(BLUE)]]
    made = grid(images, [["a"], ["b", "c"]])
    assert made.labels == [["a", None], ["b", "c"]]
    assert made.cells[0][1] is None
    page = Page(made._repr_html_())
    assert page.rows[0][1]["img"] is None
    assert page.picture(1, 1).getpixel((0, 0)) == BLUE
    assert images == [[images[0][0]], [images[1][0], images[1][1]]]
    assert grid(images, ["a", "b", "c"]).labels == made.labels
    assert grid([picture()] * 4, [["a", "b"], ["c", 4]]).labels == [["a", "b", "c", "4"]]


def test_a_result_brings_labels_and_caption():
    page = Page(grid(result("a cat", 2))._repr_html_())
    assert page.caption == "a cat"
    assert [c["text"] for c in page.rows[0]] == ["seed 0", "seed 1"]
    assert grid(result("a cat", 1)).labels == [["a cat · seed 0"]]
    assert grid(result("a cat", 2), ["x", "y"]).labels == [["x", "y"]]


def test_results_stand_in_rows_with_their_prompts_before_them():
    made = grid([result("a cat", 2), result("a dog", 3)])
    assert made.rows == ["a cat", "a dog"]
    assert made.labels == [["seed 0", "seed 1", None], ["seed 0", "seed 1", "seed 2"]]
    assert grid([result("a cat", 2), result("a dog", 3)], rows=["x", "y"]).rows == ["x", "y"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: grid([]), "no pictures"),
        (lambda: grid([[], []]), "no pictures"),
        (lambda: grid(Result([], [], "m")), "no pictures"),
        (lambda: grid("x.png"), "list of pictures"),
        (lambda: grid(None), "list of pictures"),
        (lambda: grid([picture(), "x.png"]), "PIL pictures"),
        (lambda: grid([np.zeros((8, 8, 3))]), "PIL pictures"),
        (lambda: grid([picture(size=(0, 4))]), "size 0"),
        (lambda: grid([picture()], ["a", "b"]), "2 labels for 1"),
        (lambda: grid([picture()] * 2, "ab"), "1 labels for 2"),
        (lambda: grid([picture()], 3), "labels must be"),
        (lambda: grid([picture()], rows=3), "rows must be"),
        (lambda: grid([[picture()], [picture()]], [["a", "b"], []]), "rows of [2, 0]"),
        (lambda: grid([picture()] * 4, rows=["a"], columns=2), "1 labels in rows for 2"),
        (lambda: grid([picture()] * 4, cols=["a"], columns=2), "1 labels in cols for 2"),
        (lambda: grid([picture()], columns=0), "columns"),
        (lambda: grid([picture()], columns="2"), "columns"),
        (lambda: grid([[picture()], [picture()]], columns=2), "rows already"),
        (lambda: grid([picture()], scale=0), "scale"),
        (lambda: grid([picture()], scale=float("nan")), "scale"),
        (lambda: grid([picture()], scale="2"), "scale"),
    ],
)
def test_bad_input_is_one_clear_line(call, words):
    assert words in refusal(call)


def test_labels_that_no_page_can_hold_are_mended():
    made = grid([picture()], ["half \ud800"], rows=["\udcff"])
    assert "half ?" in made._repr_html_().encode().decode()


def test_small_pictures_are_enlarged_by_whole_factors():
    def shown(size, count=3, **more):
        made = grid([picture(size=size)] * count, **more)
        image = Page(made._repr_html_()).rows[0][0]["img"]
        return int(image["width"]), int(image["height"]), "pixelated" in image["style"]

    assert shown((64, 64)) == (256, 256, True)
    assert shown((64, 32)) == (256, 128, True)
    assert shown((64, 64), 5) == (192, 192, True)
    assert shown((64, 64), 20, columns=20) == (128, 128, True)
    assert shown((64, 64), 15, columns=3) == (128, 128, True)  # five rows fit a screen
    assert shown((64, 64), 9, columns=3) == (256, 256, True)
    assert shown((128, 128)) == (256, 256, True)
    assert shown((256, 256)) == (256, 256, False)
    assert shown((1024, 512), 1) == (960, 480, False)
    assert shown((1024, 512), 4) == (240, 120, False)
    assert shown((64, 64), scale=1) == (64, 64, False)
    assert shown((1024, 512), 4, scale=1.5) == (1536, 768, True)


def _styles(made, tag):
    return [
        dict(attrs).get("style", "")
        for name, attrs in Page(made._repr_html_()).all
        if name == tag
    ]


def test_no_picture_is_wider_than_its_page_and_no_row_is_striped():
    for made in (grid([picture()] * 5), grid([picture()] * 4, rows=["a", "b"])):
        assert all("max-width:100%" in style for style in _styles(made, "img"))
        assert all("background:none" in style for style in _styles(made, "tr"))


def test_rows_that_mean_nothing_wrap_and_the_others_do_not():
    assert grid([picture()] * 7).wraps and grid(result("a cat", 3)).wraps
    assert compare(picture(), picture()).wraps
    assert not grid([picture()] * 4, cols=["a", "b"]).wraps
    assert not grid([[picture()], [picture()]]).wraps
    assert not grid([result("a cat"), result("a dog")]).wraps


def test_the_page_keeps_the_pixels_themselves():
    assert Page(grid([picture(size=(64, 32))])._repr_html_()).picture(0, 0).size == (64, 32)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "F", "I", "HSV"])
def test_pictures_of_every_mode(mode):
    made = grid([Image.new(mode, (8, 8)), picture()])
    assert Page(made._repr_html_()).picture(0, 0).size == (8, 8)
    assert made.image.mode == "RGB"


def test_the_composed_picture_holds_each_picture_once():
    colours = [RED, GREEN, BLUE, (9, 99, 199), (250, 200, 10)]
    made = grid([picture(c, (64, 48)) for c in colours], columns=3, scale=2)
    pixels = np.asarray(made.image)
    for colour in colours:
        ys, xs = np.where((pixels == colour).all(-1))
        assert len(ys) == 128 * 96
        assert (np.ptp(xs) + 1, np.ptp(ys) + 1) == (128, 96)


def test_enlarged_pixels_stay_square_and_unmixed():
    board = Image.fromarray(np.kron(np.eye(32), [[0, 255], [255, 0]]).astype(np.uint8))
    made = np.asarray(grid([board], scale=3).image)
    assert set(np.unique(made)) == {0, 255}


def test_the_composed_picture_takes_pictures_of_different_sizes():
    made = grid([[picture(RED, (64, 64))], [picture(GREEN, (20, 90)), picture(BLUE, (64, 8))]])
    pixels = np.asarray(made.image)
    areas = [(pixels == colour).all(-1).sum() for colour in (RED, GREEN, BLUE)]
    assert areas == [made.factor**2 * area for area in (64 * 64, 20 * 90, 64 * 8)]


def test_transparent_pictures_lie_on_white():
    made = grid([Image.new("RGBA", (64, 64), (255, 0, 0, 0))])
    assert np.asarray(made.image).min() == 255


def _ink(made) -> int:
    """Count the pixels of a composed white grid that are not white: the labels' ink."""
    return int((np.asarray(made.image).min(-1) < 200).sum())


WHITE = picture((255, 255, 255))


def test_labels_are_drawn():
    assert _ink(grid([WHITE])) == 0
    for label in ("a red fox", "Красная лиса", "forêt enneigée"):
        assert _ink(grid([WHITE], [label])) > 100
        assert _ink(grid([WHITE] * 2, rows=[label], cols=["", ""])) > 100
        assert _ink(grid([WHITE] * 2, cols=[label, ""])) > 100
    assert _ink(grid([WHITE], ["word " * 200])) < 20 * _ink(grid([WHITE], ["word word word"]))


def test_labels_without_a_font_are_left_out_rather_than_drawn_as_boxes(monkeypatch):
    only = tuple(entry for entry in fonts._fonts() if entry[0] == fonts.SANS)
    assert len(only) == 1
    monkeypatch.setattr(fonts, "_fonts", lambda: only)
    assert fonts.drawable("雪林中的红狐狸") == ""
    assert fonts.drawable("雪林 · seed 1") == "seed 1"
    assert fonts.drawable("Красная лиса") == "Красная лиса"
    assert fonts.font_for("雪", 20) is None
    assert _ink(grid([WHITE], ["雪林中的红狐狸"])) == 0
    assert _ink(grid([WHITE], ["雪林 seed 1"])) == _ink(grid([WHITE], ["seed 1"])) > 0
    monkeypatch.setattr(fonts, "_fonts", lambda: ())
    assert fonts.drawable("forêt enneigée") == "foret enneigee"
    assert grid([WHITE], ["forêt"]).image.mode == "RGB"


def test_no_font_that_draws_boxes_for_everything_is_used():
    names = [name for name, _ in fonts._fonts()]
    assert names[0] == fonts.SANS
    assert not any("Last" in name or "Emoji" in name for name in names)
    assert fonts.family_for("\U000e0fff") is None


def test_save_writes_whole_files_and_keeps_what_exists(tmp_path):
    made = grid([picture(), picture(GREEN)], ["a", "b"])
    path = made.save(tmp_path / "new" / "grid.png")
    with Image.open(path) as image:
        assert image.tobytes() == made.image.tobytes()
    assert "overwrite=True" in refusal(lambda: made.save(path))
    assert made.save(path, overwrite=True) == path
    for name, kind in (("x.jpg", "JPEG"), ("x.webp", "WEBP")):
        with Image.open(made.save(tmp_path / name)) as image:
            assert image.format == kind
    assert ".png" in refusal(lambda: made.save(tmp_path / "x.gif"))
    assert ".png" in refusal(lambda: made.save(tmp_path / "x"))
    assert "path" in refusal(lambda: made.save(3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "x.jpg", "x.webp"]


def test_compare_shows_small_differences_and_names_the_largest():
    before = picture((100, 100, 100))
    after = before.copy()
    after.putpixel((3, 4), (104, 100, 100))
    after.putpixel((5, 6), (101, 100, 100))
    made = compare(before, after)
    assert made.labels[0][:2] == ["before", "after"]
    assert "4/255" in made.labels[0][2]
    shown = made.cells[0][2]
    assert shown.getpixel((3, 4)) == (255, 0, 0)
    assert shown.getpixel((5, 6))[0] > 100
    assert shown.getpixel((0, 0)) == (0, 0, 0)
    assert made.cells[0][:2] == [before, after]


def test_compare_of_equal_pictures():
    made = compare(picture(), picture(), labels=("x", "y"))
    assert made.labels == [["x", "y", "no difference"]]
    assert made.cells[0][2].getextrema() == ((0, 0),) * 3


def test_compare_sees_transparency_and_takes_results():
    clear = Image.new("RGBA", (64, 64), (*RED, 0))
    assert "255/255" in compare(picture(), clear).labels[0][2]
    assert "no difference" in compare(result(count=1), picture()).labels[0][2]


def test_compare_refuses_what_cannot_be_compared():
    text = refusal(lambda: compare(picture(), picture(size=(32, 64))))
    assert "64 × 64" in text and "32 × 64" in text
    assert "result[0]" in refusal(lambda: compare(result(count=2), picture()))
    assert "PIL" in refusal(lambda: compare("a.png", picture()))
    assert "two labels" in refusal(lambda: compare(picture(), picture(), labels=["a"]))


ROWS = [
    {"steps": steps, "seconds": steps * k / 100, "peak_mb": 300 + k, "model": model}
    for steps in (50, 10, 25)
    for k, model in ((1, "b"), (2, "a"))
]


def lines_of(figure):
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in figure.axes[0].lines
    }


def test_plot_draws_one_sorted_line_for_each_group():
    figure = plot(ROWS, "steps", "seconds", by="model")
    lines = lines_of(figure)
    assert list(lines) == ["b", "a"]
    assert lines["b"] == ([10, 25, 50], [0.1, 0.25, 0.5])
    assert lines["a"] == ([10, 25, 50], [0.2, 0.5, 1.0])
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("steps", "time (s)")
    assert axes.get_legend().get_title().get_text() == "model"
    assert axes.get_ylim()[0] == 0


def test_plot_names_units():
    assert plot(ROWS, x="steps", y="peak_mb").axes[0].get_ylabel() == "peak (MB)"


def test_plot_shows_repeats_as_points_and_their_mean_as_line():
    rows = [{"steps": 10, "seconds": s} for s in (1.0, 3.0)] + [{"steps": 20, "seconds": 5}]
    line, points = plot(rows, "steps", "seconds").axes[0].lines
    assert list(line.get_ydata()) == [2.0, 5.0]
    assert sorted(points.get_ydata()) == [1.0, 3.0, 5.0]


def test_plot_takes_texts_and_keeps_them_apart():
    rows = [
        {"prompt": p, "seconds": n} for n, p in enumerate(["红色的狐狸", "红色的猫", "a fox"])
    ]
    axes = plot(rows, "prompt", "seconds").axes[0]
    assert list(axes.lines[0].get_ydata()) == [0, 1, 2]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert len(set(ticks)) == 3 and ticks[2] == "a fox"


def test_plot_closes_its_figure_and_changes_no_settings():
    import matplotlib
    from matplotlib import pyplot

    before, open_before = dict(matplotlib.rcParams), pyplot.get_fignums()
    figure = plot(ROWS, "steps", "seconds")
    assert pyplot.get_fignums() == open_before
    assert dict(matplotlib.rcParams) == before
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert Image.open(io.BytesIO(buffer.getvalue())).size[0] > 100


def test_plot_leaves_out_rows_without_a_value():
    rows = [*ROWS, {"steps": 99, "seconds": None}, {"steps": 100}]
    assert max(lines_of(plot(rows, "steps", "seconds", by="model"))["a"][0]) == 50


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plot([], "steps", "seconds"), "no rows"),
        (lambda: plot(ROWS, "step", "seconds"), "did you mean steps"),
        (lambda: plot(ROWS, "steps", "zzz"), "known: steps, seconds"),
        (lambda: plot(ROWS, "steps", "seconds", by="modell"), "did you mean model"),
        (lambda: plot(ROWS, "steps", "model"), "must be a number"),
        (lambda: plot([{"a": 1, "b": None}], "a", "b"), "nothing can be plotted"),
        (lambda: plot([3], "a", "b"), "dict"),
        (lambda: plot(3, "a", "b"), "dict"),
    ],
)
def test_plot_refuses_what_it_cannot_draw(call, words):
    assert words in refusal(call)


def test_plot_numbers_groups_that_no_font_can_draw(monkeypatch):
    only = tuple(entry for entry in fonts._fonts() if entry[0] == fonts.SANS)
    monkeypatch.setattr(fonts, "_fonts", lambda: only)
    rows = [
        {"steps": 9, "seconds": n, "by": b} for n, b in enumerate(["雪林", "红狐狸", "fox"])
    ]
    assert list(lines_of(plot(rows, "steps", "seconds", by="by"))) == ["(1)", "(2)", "fox"]


def test_names_of_points_cover_no_other_name_and_stay_above_the_axis():
    import matplotlib

    matplotlib.use("agg")
    points = [(1, 0, "DDIM 12/12"), (0.7, 0.005, "fast"), (0.65, 0.03, "DDIM 5/10")]
    points += [(0.68, 0.13, "DPM 6/8"), (0.7, 0.125, "DPM 8/8")]
    rows = [{"x": x, "y": y, "n": name} for x, y, name in points]
    figure = plot(rows, x="x", y="y", label="n")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    assert not [a for n, a in enumerate(boxes) for b in boxes[:n] if a.overlaps(b)]
    assert all(box.y0 >= figure.axes[0].bbox.y0 - 1 for box in boxes)
