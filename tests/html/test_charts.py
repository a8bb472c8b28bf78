"""Where the parts of a chart are."""

from yamlgen.html.charts import histogram
from yamlgen.profiles.fields.field_profile import Bin, Quantiles


def test_a_bar_of_fewer_bins_is_narrower_and_not_lower():
    """Numbers that are spread evenly look so, also if the last bar stands for fewer bins than the others."""
    bins = [Bin(at, at + 1, 30) for at in range(5)]
    drawn = histogram(bins, Quantiles(0, 0, 2, 4, 4), 3)
    assert [(each.x, each.width, each.count) for each in drawn.columns] == [(0, 40, 60), (40, 40, 60), (80, 20, 30)]
    assert len({each.height for each in drawn.columns}) == 1
    assert (drawn.median, drawn.band) == (40, (0, 80))
